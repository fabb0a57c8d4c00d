import re
from dataclasses import fields
from pathlib import Path

import pytest

from ib_data.errors import IbDataError
from ib_data.settings import settings_of
from ib_data.stream_options import ImageOptions, StreamOptions
from ib_data.training.config.config_file import config_names, load_config, parse_config
from ib_data.training.config.train_config import FREE, GROWING, REQUIRED, SETTINGS, TrainConfig, config_from

SMALL = 'mixture = "demo"\nmodel = "miniature"\n'


def test_packaged_configurations_load() -> None:
    assert "miniature" in config_names()
    for name in config_names():
        assert load_config(name).mixture


def test_defaults_are_the_papers() -> None:
    config = parse_config(SMALL, "x", "x.toml")
    assert (config.learning_rate, config.warmup_steps, config.weight_decay) == (1e-5, 1000, 0.05)
    assert config.betas == (0.9, 0.999)
    assert (config.max_instruction_tokens, config.max_target_tokens) == (128, 256)


def test_overrides_are_typed_by_their_field() -> None:
    given = ["steps=7", "learning_rate=1", "available=true", "betas=0.8,0.99", "mixture=other", "warmup_steps=0"]
    config = load_config("miniature", given)
    assert config.steps == 7
    assert isinstance(config.learning_rate, float)
    assert config.available is True
    assert config.betas == (0.8, 0.99)
    assert config.mixture == "other"


def test_path_to_a_toml_file(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMALL + "batch_size = 3\n")
    assert load_config(str(path)).batch_size == 3


@pytest.mark.parametrize(
    ("text", "overrides", "said"),
    [
        (SMALL + "step = 3", (), "unknown key 'step'; did you mean 'steps'?"),
        (SMALL + 'steps = "3"', (), "'steps': expected an integer, found '3'"),
        (SMALL + "steps = true", (), "'steps': expected an integer"),
        (SMALL + "betas = [0.9]", (), "betas: expected two numbers"),
        (SMALL + "batch_size = 0", (), "batch_size: expected an integer of at least 1, found 0"),
        (SMALL + "workers = 257", (), "workers: expected an integer from 0 to 256, found 257"),
        (SMALL + "keep = -1", (), "keep: expected an integer of at least 0, found -1"),
        (SMALL + 'precision = "bf16"', (), "precision: unknown value 'bf16'; did you mean 'bfloat16'?"),
        (SMALL + 'device = "cude"', (), "did you mean 'cuda'?"),
        (SMALL + "frames = 0", (), "frames: expected an integer from 1 to 256, found 0"),
        (SMALL + "steps = 10", (), "warmup_steps: expected 0 to steps - 1 = 9, found 1000"),
        (SMALL + "learning_rate = nan", (), "learning_rate: expected a number from 1e-12 to 1, found nan"),
        ("steps = 3", (), "'mixture' is missing"),
        ('mixture = "demo"', (), "'model' is missing"),
        ("mixture = ", (), "not TOML"),
        (SMALL, ("batchsize=3",), "unknown key 'batchsize'; did you mean 'batch_size'?"),
        (SMALL, ("batch_size=three",), "batch_size: expected an integer, found 'three'"),
        (SMALL, ("available=yes",), "available: expected true or false, found 'yes'"),
        (SMALL, ("steps",), "expected key=value, found 'steps'"),
        (SMALL, ("betas=1,2",), "betas: expected two numbers"),
    ],
)
def test_faults_name_their_place(text: str, overrides: tuple[str, ...], said: str) -> None:
    with pytest.raises(IbDataError) as error:
        parse_config(text, "mine", "mine.toml", overrides)
    assert said in str(error.value)
    assert str(error.value).startswith("command line: " if overrides else "mine: ")


def test_unknown_name_and_missing_file() -> None:
    with pytest.raises(IbDataError, match="did you mean 'miniature'"):
        load_config("miniatur")
    with pytest.raises(IbDataError, match="no configuration file"):
        load_config("absent.toml")


def test_configuration_cannot_be_changed_by_accident() -> None:
    config = TrainConfig(mixture="demo", model="miniature")
    with pytest.raises(AttributeError):
        config.steps = 3  # type: ignore[misc]


def test_the_options_of_the_stream_are_keys_like_all_others() -> None:
    text = SMALL + 'image_px = 64\nlocal_order = true\ntemplates = "mine"\n'
    config = parse_config(text, "x", "x.toml", ["augment=blip", "max_bad_share=0.5"])
    assert config.images == ImageOptions(image_px=64, augment="blip")
    assert config.stream == StreamOptions(
        images=config.images, local_order=True, templates=Path("mine"), max_bad_share=0.5
    )
    assert parse_config(SMALL, "x", "x.toml").images.augment == "mild"
    assert config_from(config.values()) == config
    assert set(config.values()) == {
        *(field.name for field in fields(TrainConfig) if field.name != "stream"),
        *settings_of(StreamOptions),
        *settings_of(ImageOptions),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("annotations_per_image = 0", "annotations_per_image: expected an integer from 1 to 1,024, found 0"),
        ("max_bad_share = 2.0", "max_bad_share: expected a number from 0 to 1, found 2.0"),
        ("max_bad_share = nan", "max_bad_share: expected a number from 0 to 1, found nan"),
        ('augment = "mid"', "augment: unknown value 'mid'; did you mean 'mild'?"),
        ("image_px = 0", "image_px: expected an integer from 1 to 4,096, found 0"),
        ("image_pix = 8", "unknown key 'image_pix'; did you mean 'image_px'?"),
    ],
)
def test_faults_of_the_streams_options_name_the_file(text: str, said: str) -> None:
    with pytest.raises(IbDataError, match=re.escape(f"mine: mine.toml: {said}")):
        parse_config(SMALL + text, "mine", "mine.toml")


def write(folder: Path, **files: str) -> Path:
    """Configuration files by name; the first one."""
    for name, text in files.items():
        (folder / f"{name}.toml").write_text(text)
    return folder / f"{next(iter(files))}.toml"


def test_a_file_inherits_what_it_does_not_set(tmp_path) -> None:
    top = write(
        tmp_path,
        top="base = 'middle.toml'\nsteps = 300\naugment = 'none'\n",
        middle="base = 'bottom.toml'\nsteps = 200\nbatch_size = 7\nannotations_per_image = 2\n",
        bottom=SMALL + "steps = 100\nwarmup_steps = 150\nbetas = [0.8, 0.9]\n",
    )
    config = load_config(str(top), ["seed=5"])
    assert (config.mixture, config.steps, config.batch_size, config.warmup_steps, config.seed) == (
        "demo", 300, 7, 150, 5,
    )  # fmt: skip
    assert (config.betas, config.images.augment, config.stream.annotations_per_image) == ((0.8, 0.9), "none", 2)


def test_a_file_has_a_packaged_base(tmp_path) -> None:
    top = write(tmp_path, top="base = 'miniature'\nseed = 4\n")
    assert load_config(str(top)) == load_config("miniature", ["seed=4"])


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (
            {"a": "base = 'b.toml'", "b": "base = 'a.toml'"},
            "'base': the files name each other in a circle (a -> b -> a",
        ),
        ({"a": "base = 'a.toml'"}, "in a circle (a -> a)"),
        ({"a": "base = 'absent.toml'"}, "a.toml: 'base': no configuration file"),
        ({"a": "base = 'miniatur'"}, "'base': unknown configuration 'miniatur'; did you mean 'miniature'?"),
        ({"a": "base = 3"}, "'base': expected a text, found 3"),
        ({"a": "base = 'b.toml'", "b": "stesp = 3"}, "b.toml: unknown key 'stesp'; did you mean 'steps'?"),
        ({"a": "base = 'b.toml'", "b": "steps = 0"}, "b.toml: steps: expected an integer of at least 1, found 0"),
        ({"a": "base = 'b.toml'", "b": SMALL + "steps = 9"}, "a.toml: warmup_steps: expected 0 to steps - 1 = 8"),
        ({"a": "base = 'b.toml'", "b": "steps = 9"}, "a.toml: key 'mixture' is missing"),
    ],
)
def test_a_fault_of_a_base_is_one_line_that_names_its_file(tmp_path, files: dict[str, str], said: str) -> None:
    with pytest.raises(IbDataError, match=re.escape(said)) as error:
        load_config(str(write(tmp_path, **files)))
    assert "\n" not in str(error.value)


def test_the_command_line_gives_what_a_file_lacks() -> None:
    assert parse_config("", "x", "x.toml", ["mixture=demo", "model=here"]).model == "here"
    with pytest.raises(IbDataError, match=r"^command line: warmup_steps: expected 0 to steps - 1 = 9, found 1000"):
        parse_config(SMALL, "x", "x.toml", ["steps=10"])


def test_every_key_is_free_growing_or_fixed_and_has_words_for_help() -> None:
    keys = set(TrainConfig(mixture="demo", model="miniature").values())
    assert {*FREE, *GROWING, *REQUIRED} <= keys
    assert keys - set(SETTINGS) == {"mixture", "model", "betas"}
    assert len(set(FREE)) == len(FREE)
