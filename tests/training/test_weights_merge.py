"""`merge`: every value where the report says, and a folder that plain transformers loads."""

import errno
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_weights import (
    LANGUAGE_ROWS,
    QFORMER_ROWS,
    QUERIES,
    bert_config,
    blip2_config,
    instructblip_config,
    save,
    save_language_tokenizer,
    save_qformer_tokenizer,
    text_config,
)
from transformers import (
    BertForPreTraining,
    BertModel,
    Blip2ForConditionalGeneration,
    Blip2ForImageTextRetrieval,
    InstructBlipForConditionalGeneration,
    InstructBlipProcessor,
    LlamaForCausalLM,
)

from ib_data.errors import IbDataError
from ib_data.training.weights.merge import TEXT, merge

FAMILIES = ("llama", "t5", "flan")


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    """Stage-2 folders `blip2-FAMILY`, a stage-1 folder `stage1`, a `bert`, each with its tokenizer."""
    root = tmp_path_factory.mktemp("sources")
    for family in FAMILIES:
        save(Blip2ForConditionalGeneration(blip2_config(family)), root / f"blip2-{family}", seed=1)
        save_language_tokenizer(root / f"blip2-{family}", with_pad=family != "llama")
    stage1 = blip2_config("llama", rows=QFORMER_ROWS + 1, use_qformer_text_input=True)
    save(Blip2ForImageTextRetrieval(stage1), root / "stage1", seed=2)
    save(BertForPreTraining(bert_config()), root / "bert", seed=3)
    for name in ("stage1", "bert"):
        save_qformer_tokenizer(root / name)
    return root


@pytest.fixture(scope="module", params=FAMILIES)
def merged(folders, request) -> tuple[Path, Path, dict]:
    """The stage-2 folder, the start made of it and stage 1, and the report."""
    out = folders / f"start-{request.param}"
    report = merge(folders / f"blip2-{request.param}", folders / "stage1", out)
    return folders / f"blip2-{request.param}", out, report


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_every_value_comes_from_where_the_report_says(folders, merged):
    blip2, out, report = merged
    old, text, new = weights(blip2), weights(folders / "stage1"), weights(out)
    assert json.loads((out / "merge.json").read_text()) == report
    assert {row["tensor"] for row in report["tensors"]} == new.keys()
    for row in report["tensors"]:
        name = row["tensor"]
        option, key = row["from"].split(" ")
        source = {"--blip2": old, "--text": text}[option][key]
        assert new[name].dtype == source.dtype
        assert list(new[name].shape) == row["shape"]
        if row["kind"] == "resized":
            assert name.startswith("language_model.")
            assert torch.equal(new[name][: len(source)], source)
        else:
            assert row["kind"] == ("taken" if name == key else "renamed")
            assert torch.equal(new[name], source), name
    assert {row["tensor"] for row in report["tensors"] if row["from"].startswith("--text")} == {
        name for name in new if TEXT.match(name)
    }


def test_what_is_renamed_and_resized(merged):
    blip2, _, report = merged
    renamed = {row["tensor"]: row["from"] for row in report["tensors"] if row["kind"] == "renamed"}
    assert renamed == {
        "qformer.embeddings.layernorm.weight": "--blip2 qformer.layernorm.weight",
        "qformer.embeddings.layernorm.bias": "--blip2 qformer.layernorm.bias",
        "qformer.embeddings.word_embeddings.weight": "--text embeddings.word_embeddings.weight",
        "qformer.embeddings.position_embeddings.weight": "--text embeddings.position_embeddings.weight",
    }
    added = 2 if blip2.name == "blip2-llama" else 1  # <image>, and [PAD] where the tokenizer has none
    resized = {row["tensor"]: row["note"] for row in report["tensors"] if row["kind"] == "resized"}
    rows = f"{added} row{'s' if added > 1 else ''} added: the mean of the others"
    assert set(resized.values()) == {rows}
    assert report["counts"]["new"] == 0
    assert report["image_token_index"] == LANGUAGE_ROWS + added - 1


def test_transformers_loads_it_whole_and_the_language_model_is_the_same(folders, merged):
    blip2, out, _ = merged
    model, info = InstructBlipForConditionalGeneration.from_pretrained(out, output_loading_info=True)
    assert info["missing_keys"] == info["unexpected_keys"] == set()
    assert not info["mismatched_keys"]
    processor = InstructBlipProcessor.from_pretrained(out)
    assert processor.num_query_tokens == QUERIES
    assert processor.image_processor.size == {"height": 28, "width": 28}
    assert processor.tokenizer.convert_tokens_to_ids("<image>") == model.config.image_token_index
    assert processor.qformer_tokenizer.bos_token == "[DEC]"
    assert len(processor.qformer_tokenizer) == model.config.qformer_config.vocab_size == QFORMER_ROWS + 1
    assert processor.tokenizer.truncation_side == processor.qformer_tokenizer.truncation_side == "left"
    assert processor.tokenizer.pad_token is not None
    old = Blip2ForConditionalGeneration.from_pretrained(blip2).eval()
    ids = torch.tensor([[2, 5, 6, 7]])
    extra = {} if model.config.use_decoder_only_language_model else {"decoder_input_ids": torch.tensor([[0, 4]])}
    with torch.no_grad():
        expected = old.language_model(input_ids=ids, **extra).logits
        found = model.eval().language_model(input_ids=ids, **extra).logits
    assert torch.equal(found[..., :LANGUAGE_ROWS], expected)


def test_the_q_former_reads_text_as_in_stage_1(folders, tmp_path):
    """With stage 1 as both sources but the language model, the Q-Former with text equals that of stage 1."""
    stage1 = Blip2ForImageTextRetrieval.from_pretrained(folders / "stage1").eval()
    both = Blip2ForConditionalGeneration.from_pretrained(folders / "blip2-t5")
    both.qformer.load_state_dict(stage1.qformer.state_dict(), strict=False)
    both.save_pretrained(tmp_path / "blip2")
    save_language_tokenizer(tmp_path / "blip2")
    merge(tmp_path / "blip2", folders / "stage1", tmp_path / "start")
    model = InstructBlipForConditionalGeneration.from_pretrained(tmp_path / "start").eval()
    ids, images = torch.tensor([[2, 5, 6, 3]]), torch.randn(1, 5, 16, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(1, QUERIES + 4, dtype=torch.long)
    queries = stage1.query_tokens
    with torch.no_grad():
        expected = stage1.qformer(
            query_embeds=stage1.embeddings(input_ids=ids, query_embeds=queries),
            query_length=QUERIES,
            attention_mask=mask,
            encoder_hidden_states=images,
        ).last_hidden_state
        found = model.qformer(
            input_ids=ids, query_embeds=queries, attention_mask=mask, encoder_hidden_states=images
        ).last_hidden_state
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_a_plain_bert_gives_the_text_weights_and_one_random_row(folders, tmp_path):
    blip2 = folders / "blip2-t5"
    report = merge(blip2, folders / "bert", tmp_path / "start", seed=5)
    new, bert = weights(tmp_path / "start"), weights(folders / "bert")
    rows = {row["tensor"]: row for row in report["tensors"]}
    name = "qformer.embeddings.word_embeddings.weight"
    assert rows[name]["kind"] == "resized"
    assert rows[name]["note"] == "1 row added: random, seed 5; of a plain BERT, not of stage 1"
    assert torch.equal(new[name][:-1], bert["bert.embeddings.word_embeddings.weight"])
    assert 0 < new[name][-1].abs().max() < 0.035
    for part in ("intermediate.dense.weight", "output.LayerNorm.bias"):
        key = f"encoder.layer.1.{part}"
        assert torch.equal(new[f"qformer.{key}"], bert[f"bert.{key}"])
        assert rows[f"qformer.{key}"]["note"] == "of a plain BERT, not of stage 1"
    merge(blip2, folders / "bert", tmp_path / "same", seed=5)
    assert (tmp_path / "same" / "model.safetensors").read_bytes() == (
        tmp_path / "start" / "model.safetensors"
    ).read_bytes()
    merge(blip2, folders / "bert", tmp_path / "other", seed=6)
    assert not torch.equal(weights(tmp_path / "other")[name][-1], new[name][-1])


def test_an_older_instructblip_without_the_image_token_is_completed(folders, tmp_path):
    config = instructblip_config("llama")
    config.image_token_index = None
    config.text_config.vocab_size = LANGUAGE_ROWS
    save(InstructBlipForConditionalGeneration(config), tmp_path / "old")
    save_language_tokenizer(tmp_path / "old")
    save_qformer_tokenizer(tmp_path / "old" / "qformer_tokenizer")
    report = merge(tmp_path / "old", tmp_path / "old", tmp_path / "start")
    assert report["counts"] == {"taken": len(report["tensors"]) - 2, "renamed": 0, "resized": 2, "new": 0}
    old, new = weights(tmp_path / "old"), weights(tmp_path / "start")
    assert all(torch.equal(new[name], old[name]) for name in old if not name.startswith("language_model."))
    head = new["language_model.lm_head.weight"]
    torch.testing.assert_close(head[-1], head[:-1].mean(dim=0))


def test_shards_and_types_are_kept(folders, tmp_path, monkeypatch):
    half = Blip2ForConditionalGeneration.from_pretrained(folders / "blip2-llama", dtype=torch.bfloat16)
    half.save_pretrained(tmp_path / "half", max_shard_size="20KB")
    save_language_tokenizer(tmp_path / "half")
    monkeypatch.setattr("ib_data.training.weights.writing._MOST_SHARD_BYTES", 20_000)
    report = merge(tmp_path / "half", folders / "stage1", tmp_path / "start")
    shards = sorted((tmp_path / "start").glob("*.safetensors"))
    assert len(shards) > 2
    assert shards[0].name == f"model-00001-of-{len(shards):05}.safetensors"
    found = {name: tensor for shard in shards for name, tensor in load_file(shard).items()}
    index = json.loads((tmp_path / "start" / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == found.keys()
    assert index["metadata"]["total_size"] == sum(tensor.nbytes for tensor in found.values())
    assert found["language_model.lm_head.weight"].dtype == torch.bfloat16
    assert found["qformer.embeddings.word_embeddings.weight"].dtype == torch.float32
    assert torch.equal(found["language_projection.weight"], half.language_projection.weight)
    assert {row["dtype"] for row in report["tensors"]} == {"BF16", "F32"}
    assert InstructBlipForConditionalGeneration.from_pretrained(tmp_path / "start").dtype == torch.bfloat16


def refusal(*arguments, **options) -> str:
    with pytest.raises(IbDataError) as caught:
        merge(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folders_of_other_kinds_are_refused_and_nothing_is_written(folders, tmp_path):
    out, blip2, stage1 = tmp_path / "start", folders / "blip2-t5", folders / "stage1"
    save(LlamaForCausalLM(text_config("llama")), tmp_path / "llama")
    assert "give a stage-1 folder as --text" in refusal(stage1, stage1, out)
    assert "name a stage-1 folder for --text" in refusal(blip2, blip2, out)
    assert "found model_type 'llama'" in refusal(tmp_path / "llama", stage1, out)
    assert "name another folder for --text" in refusal(blip2, tmp_path / "llama", out)
    assert "config.json: expected this file" in refusal(tmp_path, stage1, out)
    assert [path.name for path in tmp_path.iterdir()] == ["llama"]


def test_a_full_disk_leaves_nothing(folders, tmp_path, monkeypatch):
    def full(*_given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("ib_data.training.weights.writing._write", full)
    with pytest.raises(OSError, match="No space"):
        merge(folders / "blip2-t5", folders / "stage1", tmp_path / "start")
    assert list(tmp_path.iterdir()) == []


def test_missing_tokenizers_are_refused_with_the_option(folders, tmp_path):
    save(BertModel(bert_config()), tmp_path / "bert")
    message = refusal(folders / "blip2-t5", tmp_path / "bert", tmp_path / "start")
    assert "--qformer-tokenizer DIR" in message
    merge(folders / "blip2-t5", tmp_path / "bert", tmp_path / "start", tokenizer=folders / "stage1")
    save(Blip2ForConditionalGeneration(blip2_config("t5")), tmp_path / "blip2")
    message = refusal(tmp_path / "blip2", folders / "stage1", tmp_path / "other")
    assert "copy the tokenizer files of its language model into it" in message


def test_a_text_source_of_another_size_and_a_full_out_are_refused(folders, tmp_path):
    wide = bert_config()
    wide.hidden_size = 32
    save(BertModel(wide), tmp_path / "wide")
    save_qformer_tokenizer(tmp_path / "wide")
    message = refusal(folders / "blip2-t5", tmp_path / "wide", tmp_path / "start")
    assert "name folders whose sizes agree" in message
    message = refusal(folders / "blip2-t5", folders / "stage1", tmp_path / "wide")
    assert "is not empty" in message
    short = bert_config()
    short.num_hidden_layers = 1
    save(BertModel(short), tmp_path / "short")
    save_qformer_tokenizer(tmp_path / "short")
    message = refusal(folders / "blip2-t5", tmp_path / "short", tmp_path / "start")
    assert "the first is qformer.encoder.layer.1.intermediate.dense.weight" in message
    assert not (tmp_path / "start").exists()
