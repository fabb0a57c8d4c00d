"""`ib-data model`: merge, new and show on the command line."""

import json
from pathlib import Path

import pytest
from tiny_weights import QFORMER_ROWS, blip2_config, save, save_language_tokenizer, save_qformer_tokenizer, text_config
from transformers import Blip2ForConditionalGeneration, Blip2ForImageTextRetrieval, LlamaForCausalLM

from ib_data.training.estimate.parts import parts_of
from ib_data.training.weights.folder import require_model_folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("sources")
    save(Blip2ForConditionalGeneration(blip2_config("llama")), root / "blip2", seed=1)
    save(LlamaForCausalLM(text_config("llama")), root / "llama", seed=1)
    stage1 = blip2_config("llama", rows=QFORMER_ROWS + 1, use_qformer_text_input=True)
    save(Blip2ForImageTextRetrieval(stage1), root / "stage1", seed=2)
    for name in ("blip2", "llama"):
        save_language_tokenizer(root / name)
    save_qformer_tokenizer(root / "stage1")
    return root


def test_merge_prints_where_everything_comes_from_and_show_what_there_is(folders, cli, home, tmp_path):
    out = tmp_path / "start"
    arguments = ("model", "merge", "--blip2", folders / "blip2", "--text", folders / "stage1", "--out", out)
    result = cli(*arguments, "--home", home.root)
    assert result.code == 0, result.err
    table = [line.split("  ") for line in result.out.splitlines()]
    assert any(line[0] == "taken" and "vision_model.*" in line for line in map(_cells, table))
    assert ["renamed", "qformer.embeddings.layernorm.*", "2", "32", "--blip2 qformer.layernorm.*"] in map(_cells, table)
    assert "1 row added: the mean of the others" in result.out
    assert result.out.splitlines()[-1] == "tensors: 106 taken, 4 renamed, 2 resized, 0 new"
    assert f"ib-data model show {out}" in result.err
    again = cli(*arguments, "--home", home.root)
    assert again.code == 1
    assert again.err == f"ib-data: {out} is not empty; choose another --out\n"

    shown = cli("model", "show", out, "--home", home.root)
    assert shown.code == 0, shown.err
    assert ["vision_model", "instructblip_vision_model"] in [
        _cells(row.split("  "))[:2] for row in shown.out.splitlines()
    ]
    assert "if this is a Vicuna v1.1 tuned by the authors, set bos_token = '</s>'" in shown.out
    assert "language tokenizer: tokens 15, rows 15, bos 2, eos 3, pad 0, image 14" in shown.out
    facts = json.loads(cli("model", "show", out, "--json", "--home", home.root).out)
    assert shown.out.splitlines()[-1] == f"fingerprint: {facts['fingerprint']}"
    parts = {part["part"]: part for part in facts["parts"]}
    assert [name for name in parts if parts[name]["trained"]] == ["qformer", "query_tokens", "language_projection"]
    trained = parts_of(require_model_folder(out).config).trained
    assert {name: part["trained"] for name, part in parts.items() if part["trained"]} == trained
    assert parts["query_tokens"]["trained"] == parts["query_tokens"]["parameters"] == 4 * 16
    assert 0 < parts["qformer"]["trained"] < parts["qformer"]["parameters"]  # the last text feed-forward feeds nothing
    assert f"  {parts['qformer']['trained']:,}  " in shown.out
    assert sum(part["tensors"] for part in parts.values()) == 112
    assert facts["tokenizers"]["qformer"]["bos"] == QFORMER_ROWS


def _cells(parts: list[str]) -> list[str]:
    return [part.strip() for part in parts if part.strip()]


def test_verbose_lists_every_tensor_and_json_is_the_report(folders, cli, home, tmp_path):
    arguments = ("--language", folders / "llama", "--vision", folders / "blip2", "--qformer", folders / "stage1")
    loud = cli("model", "new", *arguments, "--out", tmp_path / "a", "-v", "--home", home.root)
    assert loud.code == 0, loud.err
    assert "debug: new: language_projection.bias from - zeros" in loud.err
    assert loud.err.count("debug: taken: vision_model.") > 20
    rows = [_cells(line.split("  ")) for line in loud.out.splitlines()]
    taken = [row for row in rows if row[0] == "taken" and row[1].startswith("language_model")]
    assert [(row[1], row[4]) for row in taken] == [("language_model.*", "--language *")]
    assert int(taken[0][2]) == 19  # all but embeddings and head, which have a row for <image>
    result = cli("model", "new", *arguments, "--out", tmp_path / "b", "--json", "--seed", 3, "--home", home.root)
    report = json.loads(result.out)
    assert report == json.loads((tmp_path / "b" / "merge.json").read_text())
    assert report["seed"] == 3
    assert report["counts"]["new"] == 2


def test_show_says_what_is_wrong_with_a_folder(folders, cli, home):
    result = cli("model", "show", folders / "blip2", "--home", home.root)
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert "ib-data model merge" in result.err
    result = cli("model", "show", "no-such-model", "--home", home.root)
    assert "neither a folder nor a hub id" in result.err


def test_show_notes_tokenizers_that_are_missing(folders, cli, home, tmp_path):
    cli("model", "merge", "--blip2", folders / "blip2", "--text", folders / "stage1", "--out", tmp_path / "start")
    for name in ("tokenizer.json", "qformer_tokenizer/tokenizer.json"):
        (tmp_path / "start" / name).unlink()
    facts = json.loads(cli("model", "show", tmp_path / "start", "--json", "--home", home.root).out)
    assert facts["tokenizers"] == {}
    assert len(facts["notes"]) == 2


def test_show_notes_a_tokenizer_that_train_refuses(folders, cli, home, tmp_path):
    out = tmp_path / "start"
    cli("model", "merge", "--blip2", folders / "blip2", "--text", folders / "stage1", "--out", out)
    words = json.loads((out / "qformer_tokenizer" / "tokenizer.json").read_text())["model"]["vocab"]
    for file in (out / "qformer_tokenizer").iterdir():
        file.unlink()
    (out / "qformer_tokenizer" / "vocab.txt").write_text("".join(f"{word}\n" for word in words))
    (out / "qformer_tokenizer" / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer"}')
    facts = json.loads(cli("model", "show", out, "--json", "--home", home.root).out)
    assert facts["tokenizers"]["qformer"]["tokens"] >= QFORMER_ROWS
    (note,) = (note for note in facts["notes"] if "vocab.txt" in note)
    assert note.startswith("`ib-data train` and `ib-data generate` cannot use it: ")
    assert "a slow tokenizer; make it with transformers" in note


def test_show_notes_an_older_folder_without_the_image_token(folders, cli, home, tmp_path):
    cli("model", "merge", "--blip2", folders / "blip2", "--text", folders / "stage1", "--out", tmp_path / "start")
    config = tmp_path / "start" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "image_token_index": None}))
    shown = cli("model", "show", tmp_path / "start", "--home", home.root)
    assert "note: <image> has id 14 in the tokenizer and None in config.json; `ib-data model merge`" in shown.out
