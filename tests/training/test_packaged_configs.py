"""The packaged configurations: the paper's recipe, and what each variant changes of its base."""

import pytest

from ib_data.mixtures.spec.built_members import require_known
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.training.config.config_file import config_names, load_config
from ib_data.training.config.train_config import TrainConfig

# Batch, samples of the run in millions, first token and activation (arXiv 2305.06500, section 2.6; released code).
RECIPES = {
    "instructblip-flant5-xl": (192, 11.5, "", "gelu"),
    "instructblip-flant5-xxl": (64, 3.8, "", "gelu"),
    "instructblip-vicuna-7b": (128, 7.7, "</s>", ""),
    "instructblip-vicuna-13b": (64, 3.8, "</s>", ""),
}
# What a variant changes, beside the model and the number of steps.
VARIANTS = {
    "instructblip-flant5-xl-no-instruction": ("instructblip-flant5-xl", {"instruction_aware": False}),
    "instructblip-vicuna-7b-no-instruction": ("instructblip-vicuna-7b", {"instruction_aware": False}),
    "instructblip-flant5-xl-no-balance": ("instructblip-flant5-xl", {"mixture": "instructblip-no-balance"}),
    "instructblip-vicuna-7b-no-balance": ("instructblip-vicuna-7b", {"mixture": "instructblip-no-balance"}),
    "multitask-flant5-xl": ("instructblip-flant5-xl", {"mixture": "multitask"}),
    "multitask-flant5-xl-dataset": ("instructblip-flant5-xl", {"mixture": "multitask-dataset"}),
    "blip2-captions": (
        "instructblip-vicuna-7b", {"mixture": "captions", "instruction_aware": False, "learning_rate": 1e-4},
    ),
    **{
        f"finetune-{name}-{model}": (f"instructblip-{model}", {"mixture": mixture, "batch_size": 64})
        for name, mixture in (
            ("scienceqa", "scienceqa-train"), ("ocrvqa", "ocrvqa"), ("okvqa", "okvqa"), ("aokvqa", "aokvqa"),
        )
        for model in ("vicuna-7b", "flant5-xxl")
    },
}  # fmt: skip
OF_A_RUN = ("model", "steps", "warmup_steps")


def changes(config: TrainConfig, base: TrainConfig) -> dict[str, object]:
    was = base.values()
    return {key: value for key, value in config.values().items() if value != was[key]}


def test_every_packaged_configuration_is_one_of_these() -> None:
    assert {*RECIPES, *VARIANTS, "miniature"} == set(config_names())


@pytest.mark.parametrize("name", RECIPES)
def test_the_recipe_is_the_papers(name: str) -> None:
    config = load_config(name)
    batch, samples, bos_token, activation = RECIPES[name]
    assert (config.steps, config.batch_size) == (60_000, batch)
    assert (config.bos_token, config.activation) == (bos_token, activation)
    assert config.steps * config.batch_size / 1e6 == pytest.approx(samples, abs=0.05)
    assert (config.learning_rate, config.warmup_steps, config.weight_decay) == (1e-5, 1000, 0.05)
    assert (config.betas, config.mixture, config.instruction_aware) == ((0.9, 0.999), "instructblip", True)
    assert (config.validate_every, config.images.image_px, config.images.augment) == (3000, 224, "mild")
    assert (config.max_instruction_tokens, config.max_target_tokens, config.images.frames) == (128, 256, 4)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_changes_what_its_name_says(name: str) -> None:
    base, expected = VARIANTS[name]
    found = changes(load_config(name), load_config(base))
    own = {key: value for key, value in found.items() if key not in OF_A_RUN}
    assert own == {key: value for key, value in expected.items() if value != load_config(base).values()[key]}


@pytest.mark.parametrize("name", sorted({load_config(name).mixture for name in config_names()}))
def test_the_mixtures_exist(name: str) -> None:
    require_known(load_mixture(name))


def test_fine_tuning_starts_from_tuned_weights_and_trains_on_the_training_split() -> None:
    for name in config_names():
        if name.startswith("finetune-"):
            config = load_config(name)
            assert config.model.startswith("Salesforce/instructblip-")
            assert {member.split for member in load_mixture(config.mixture).members} == {"train"}
