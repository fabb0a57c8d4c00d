"""`new`: a language model and a vision encoder with a new Q-Former between them."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_weights import (
    LANGUAGE_ROWS,
    QFORMER_ROWS,
    QUERIES,
    VISION,
    bert_config,
    blip2_config,
    instructblip_config,
    save,
    save_language_tokenizer,
    save_qformer_tokenizer,
    text_config,
)
from transformers import (
    AutoTokenizer,
    BertForMaskedLM,
    Blip2ForConditionalGeneration,
    Blip2ForImageTextRetrieval,
    CLIPVisionConfig,
    CLIPVisionModel,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    LlamaForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    T5ForConditionalGeneration,
)

from ib_data.errors import IbDataError
from ib_data.training.weights.new import new

LANGUAGES = {"llama": LlamaForCausalLM, "flan": T5ForConditionalGeneration}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("sources")
    for family, language in LANGUAGES.items():
        save(language(text_config(family)), root / family, seed=1)
        save_language_tokenizer(root / family, with_pad=family != "llama")
    save(Blip2ForConditionalGeneration(blip2_config("t5")), root / "blip2", seed=2)
    stage1 = blip2_config("llama", rows=QFORMER_ROWS + 1, use_qformer_text_input=True)
    save(Blip2ForImageTextRetrieval(stage1), root / "stage1", seed=3)
    save(BertForMaskedLM(bert_config()), root / "bert", seed=4)
    for name in ("stage1", "bert"):
        save_qformer_tokenizer(root / name)
    return root


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def rows(report: dict) -> dict[str, dict]:
    return {row["tensor"]: row for row in report["tensors"]}


@pytest.mark.parametrize("family", LANGUAGES)
def test_language_model_and_vision_encoder_are_taken_and_the_rest_is_new(folders, tmp_path, family):
    out = tmp_path / "start"
    report = new(folders / family, folders / "blip2", out, tokenizer=folders / "bert", num_query_tokens=6)
    found, vision, language = weights(out), weights(folders / "blip2"), weights(folders / family)
    for name, row in rows(report).items():
        if name.startswith("vision_model."):
            assert row["kind"] == "taken"
            assert torch.equal(found[name], vision[name])
        elif name.startswith("language_model."):
            key = name.removeprefix("language_model.")
            assert row["from"] == f"--language {key}"
            assert row["kind"] in ("taken", "resized")
            assert torch.equal(found[name][: len(language[key])], language[key])
        else:
            assert row["kind"] == "new"
            is_random = found[name].dim() > 1 and not name.endswith("bias")
            assert (row["note"] == "random, standard deviation 0.02, seed 0") is is_random
            assert bool(found[name].std() > 0) is is_random
    queries = found["query_tokens"]
    assert queries.shape == (1, 6, 16)
    assert len({tuple(query.tolist()) for query in queries[0]}) == 6
    model, info = InstructBlipForConditionalGeneration.from_pretrained(out, output_loading_info=True)
    assert info["missing_keys"] == info["unexpected_keys"] == set()
    assert model.config.use_decoder_only_language_model is (family == "llama")
    processor = InstructBlipProcessor.from_pretrained(out)
    assert processor.num_query_tokens == 6
    assert processor.tokenizer.convert_tokens_to_ids("<image>") == model.config.image_token_index >= LANGUAGE_ROWS
    plain = LANGUAGES[family].from_pretrained(folders / family).eval()
    extra = {} if family == "llama" else {"decoder_input_ids": torch.tensor([[0, 4]])}
    ids = torch.tensor([[2, 5, 6, 7]])
    with torch.no_grad():
        expected = plain(input_ids=ids, **extra).logits
        logits = model.eval().language_model(input_ids=ids, **extra).logits
    assert torch.equal(logits[..., :LANGUAGE_ROWS], expected)


def test_random_values_are_by_the_seed(folders, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        new(folders / "flan", folders / "blip2", tmp_path / name, tokenizer=folders / "bert", seed=seed)
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b != c
    assert weights(tmp_path / "a")["query_tokens"].shape == (1, 32, 16)


def test_a_bert_gives_text_self_attention_and_the_query_feed_forward(folders, tmp_path):
    report = rows(new(folders / "flan", folders / "blip2", tmp_path / "start", qformer=folders / "bert"))
    found, bert = weights(tmp_path / "start"), weights(folders / "bert")
    layer = "encoder.layer.1."
    pairs = {
        "embeddings.position_embeddings.weight": "embeddings.position_embeddings.weight",
        "embeddings.layernorm.bias": "embeddings.LayerNorm.bias",
        f"{layer}attention.attention.query.weight": f"{layer}attention.self.query.weight",
        f"{layer}attention.output.dense.bias": f"{layer}attention.output.dense.bias",
        f"{layer}intermediate.dense.weight": f"{layer}intermediate.dense.weight",
        f"{layer}output.LayerNorm.weight": f"{layer}output.LayerNorm.weight",
        f"{layer}intermediate_query.dense.weight": f"{layer}intermediate.dense.weight",
        f"{layer}output_query.LayerNorm.weight": f"{layer}output.LayerNorm.weight",
    }
    for name, key in pairs.items():
        assert torch.equal(found[f"qformer.{name}"], bert[f"bert.{key}"])
        assert report[f"qformer.{name}"]["from"] == f"--qformer bert.{key}"
        assert report[f"qformer.{name}"]["kind"] == "renamed"
        assert report[f"qformer.{name}"]["note"] == ("a copy of the text FFN" if "_query" in name else "")
    unknown = {name for name, row in report.items() if row["kind"] == "new"}
    assert unknown == {name for name in found if ".crossattention." in name} | {
        "query_tokens", "language_projection.weight", "language_projection.bias"
    }  # fmt: skip
    assert report["qformer.embeddings.word_embeddings.weight"]["note"] == "1 row added: random, seed 0"


def test_stage_1_gives_the_whole_q_former_and_its_queries(folders, tmp_path):
    report = rows(new(folders / "llama", folders / "blip2", tmp_path / "start", qformer=folders / "stage1"))
    found, stage1 = weights(tmp_path / "start"), weights(folders / "stage1")
    assert {name for name, row in report.items() if row["kind"] == "new"} == {
        "language_projection.weight", "language_projection.bias"
    }  # fmt: skip
    assert torch.equal(found["query_tokens"], stage1["query_tokens"])
    assert "use_qformer_text_input" not in (tmp_path / "start" / "config.json").read_text()  # of BLIP-2 only
    name = "qformer.encoder.layer.0.crossattention.attention.key.weight"
    assert torch.equal(found[name], stage1[name])
    again = rows(new(folders / "flan", tmp_path / "start", tmp_path / "again", qformer=tmp_path / "start"))
    assert torch.equal(weights(tmp_path / "again")[name], stage1[name])
    assert {name for name, row in again.items() if row["kind"] == "new"} == {
        "language_projection.weight", "language_projection.bias"
    }  # fmt: skip


def test_a_stage_1_folder_for_the_vision_encoder_gives_the_tokenizer_of_its_root(folders, tmp_path):
    new(folders / "flan", folders / "stage1", tmp_path / "start")
    found, root = (
        AutoTokenizer.from_pretrained(folder)
        for folder in (tmp_path / "start" / "qformer_tokenizer", folders / "stage1")
    )
    assert found.get_vocab() == {**root.get_vocab(), "[DEC]": QFORMER_ROWS}


def test_tensors_that_are_merged_at_loading_are_copied_as_stored(folders, tmp_path):
    """The experts of a layer are stored one by one, and are one tensor in memory."""
    config = MixtralConfig(
        vocab_size=LANGUAGE_ROWS, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, num_local_experts=2,
    )  # fmt: skip
    save(MixtralForCausalLM(config), tmp_path / "experts")
    save_language_tokenizer(tmp_path / "experts")
    new(tmp_path / "experts", folders / "blip2", tmp_path / "start", qformer=folders / "bert")
    model, info = InstructBlipForConditionalGeneration.from_pretrained(tmp_path / "start", output_loading_info=True)
    assert info["missing_keys"] == info["unexpected_keys"] == set()
    plain = MixtralForCausalLM.from_pretrained(tmp_path / "experts").eval()
    with torch.no_grad():
        expected = plain(input_ids=torch.tensor([[2, 5, 6]])).logits
        logits = model.eval().language_model(input_ids=torch.tensor([[2, 5, 6]])).logits
    assert torch.equal(logits[..., :LANGUAGE_ROWS], expected)


def refusal(*arguments, **options) -> str:
    with pytest.raises(IbDataError) as caught:
        new(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_a_part_is_refused_with_the_reason(folders, tmp_path):
    out, llama, blip2, bert = tmp_path / "start", folders / "llama", folders / "blip2", folders / "bert"
    save(CLIPVisionModel(CLIPVisionConfig(**VISION)), tmp_path / "clip")
    message = refusal(llama, tmp_path / "clip", out, tokenizer=bert)
    assert "expected a BLIP-2 or InstructBLIP folder, found model_type 'clip_vision_model'" in message
    assert "a causal or an encoder-decoder language model" in refusal(blip2, blip2, out, tokenizer=bert)
    assert "name a stage-1 folder for --qformer" in refusal(llama, blip2, out, qformer=blip2)
    message = refusal(llama, blip2, out)
    assert message.startswith(f"{blip2}: expected a tokenizer of the Q-Former")
    assert "--qformer-tokenizer DIR" in message
    save(LlamaForCausalLM(text_config("llama")), tmp_path / "mute")
    for options in ({}, {"tokenizer": bert}, {"qformer": bert}):
        assert refusal(tmp_path / "mute", blip2, out, **options).startswith(
            f"{tmp_path / 'mute'}: expected a tokenizer"
        )
    message = refusal(llama, blip2, out, qformer=folders / "stage1", num_query_tokens=QUERIES + 1)
    expected = f"--num-query-tokens is 5, but the Q-Former of {folders / 'stage1'} has 4 query tokens; leave the option"
    assert message.startswith(expected)
    wide = instructblip_config("llama")
    wide.vision_config.hidden_size = wide.qformer_config.encoder_hidden_size = 32
    save(InstructBlipForConditionalGeneration(wide), tmp_path / "wide")
    message = refusal(llama, tmp_path / "wide", out, qformer=folders / "stage1")
    assert "name folders whose sizes agree" in message
    assert not out.exists()
