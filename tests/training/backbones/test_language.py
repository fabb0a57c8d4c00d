"""The language models: rows as the product lays them out, start values, and byte-identical training."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from ib_data.templates.rendered import Rendered
from ib_data.training.backbones import language
from ib_data.training.backbones.lessons import STAGES, Lesson, target_logits
from ib_data.training.backbones.muon import orthogonal
from ib_data.training.backbones.reading import Reader
from ib_data.training.backbones.recitals import recital, recited_texts
from ib_data.training.backbones.scores import accuracy_by_kind, row_losses
from ib_data.training.backbones.slots import NUM_QUERIES, slot_vectors
from ib_data.training.backbones.start_values import new_language
from ib_data.training.backbones.texts import corpus
from ib_data.training.backbones.vocabulary import LANGUAGE_FOLDERS, QFORMER_FOLDER, tokenizers_of, vocabulary_texts
from ib_data.training.batch.row import RowMaker
from ib_data.training.text.tokenizers import TextTokenizer, Tokenizers

FAMILIES = ("llama", "t5")
ITEMS = corpus(3)


@pytest.fixture(autouse=True)
def _own_settings() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Any]:
    return tokenizers_of(vocabulary_texts(ITEMS, recited_texts()))


@pytest.fixture(scope="module", params=FAMILIES)
def lesson(request: pytest.FixtureRequest, tokenizers: dict[str, Any]) -> Lesson:
    tokenizer = tokenizers[LANGUAGE_FOLDERS[request.param]].backend_tokenizer
    model = new_language(request.param, tokenizer).eval()
    return language.lesson_of(model, request.param, tokenizer, ITEMS)


def test_rows_are_those_of_the_product(lesson: Lesson, tokenizers: dict[str, Any]) -> None:
    of = lesson.reader.tokenizer
    bos, eos, pad = (of.token_to_id(token) for token in ("<s>", "</s>", "<pad>"))
    is_causal = lesson.family == "llama"
    affixes = ((bos,), ()) if is_causal else ((), (eos,))
    qformer = tokenizers[QFORMER_FOLDER].backend_tokenizer
    maker = RowMaker(
        tokenizers=Tokenizers(
            language=TextTokenizer(of, *affixes, pad),
            qformer=TextTokenizer(qformer, (2,), (3,), 0),
            image_id=lesson.image_id,
            eos_id=eos,
        ),
        num_query_tokens=NUM_QUERIES,
        is_causal=is_causal,
        max_instruction_tokens=128,
        max_target_tokens=256,
    )
    for item in ITEMS[::7]:
        rendered = Rendered(item.instruction, item.target, "", "", "", "", "", 0, 0)
        theirs = maker.row(rendered, max(1, len(item.frames)))
        ours = lesson.reader.item(item, Random(0))
        assert [lesson.image_id] * len(ours.slots) + list(ours.prompt) == theirs.prompt
        assert list(ours.output) == theirs.output
        assert list(ours.learnt) == theirs.learnt


@torch.no_grad()
def test_logits_are_those_of_the_whole_model(lesson: Lesson) -> None:
    """As in the product's forward pass: slots in place of the placeholders, head after the last layer."""
    rng = Random(1)
    row = lesson.reader.item(next(item for item in ITEMS if item.kind == "left of"), rng)
    long = lesson.reader.item(next(item for item in ITEMS if item.kind == "detail"), rng)
    batch = lesson.batch([row, long])
    logits = target_logits(lesson.model, batch, lesson.image_id, None, 0.0)
    table = lesson.model.get_input_embeddings().weight
    alone = lesson.batch([row])
    embedded = torch.cat([slot_vectors(table, alone.words), table[alone.ids[0, len(row.slots) :]]])[None]
    more = {} if alone.decoder_ids is None else {"decoder_input_ids": alone.decoder_ids}
    whole = lesson.model(inputs_embeds=embedded, **more).logits[0]
    torch.testing.assert_close(logits[: len(row.output)], whole[alone.places], rtol=1e-4, atol=1e-4)
    assert batch.targets.tolist() == [*row.output, *long.output]


def test_start_values_look_up_equal_words(lesson: Lesson) -> None:
    named = dict(lesson.model.named_parameters())
    names = ("q_proj", "k_proj", "v_proj", "o_proj") if lesson.family == "llama" else ("q", "k", "v", "o")
    q, k, v, o = (f".{name}.weight" for name in names)
    queries = [name for name in named if name.endswith(q)]
    assert len(queries) == (4 if lesson.family == "llama" else 9)
    for name in queries:
        assert torch.equal(named[name], named[name.replace(q, k)])
        assert torch.equal(named[name.replace(q, v)], named[name.replace(q, o)].T)


def test_what_is_learnt_of_a_recital_is_the_values(lesson: Lesson) -> None:
    rng = Random(5)
    for _ in range(30):
        one = recital(rng, 0.0, 0.5)
        row = lesson.reader.recital(one, rng)
        learnt = [i for i, is_learnt in zip(row.output, row.learnt, strict=True) if is_learnt]
        assert learnt == [i for _, value in one.pairs for i in lesson.reader.ids(value)]
        words = {word for fact in one.facts for word in fact.split()}
        if one.heading in ("kind color :", "place all :", "kind count :"):
            assert {word for _, value in one.pairs for word in value.split()} <= words


def test_an_answer_is_right_if_greedy_decoding_says_it(lesson: Lesson) -> None:
    items = [replace(item, right=(item.target,)) for item in ITEMS if item.kind == "colour"]
    accuracy = accuracy_by_kind(lesson, items, 50)
    assert accuracy["colour"] == accuracy["all"] < 0.5  # untrained
    ((is_right, loss, count),) = row_losses(lesson, [lesson.reader.item(items[0], Random(0))])
    assert not is_right
    assert loss > count


def test_orthogonal_updates() -> None:
    matrices = torch.randn((3, 16, 40), generator=torch.Generator().manual_seed(0))
    for given in (matrices, matrices.transpose(1, 2)):
        spread = torch.linalg.svdvals(orthogonal(given))
        assert spread.min() > 0.5
        assert spread.max() < 1.5


@pytest.mark.parametrize("family", FAMILIES)
def test_made_twice_the_files_are_equal_and_load(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "_MOST_OF_KIND", 1)
    monkeypatch.setattr(language, "naming", lambda *_: {})  # an untrained model says all words that it may
    short = [replace(stage, steps=2, tokens=300) for stage in STAGES[family]]
    digests = []
    for name in ("one", "two"):
        (out := tmp_path / name).mkdir()
        report = language.make(out, family, num_scenes=2, stages=short, num_unseen=1)
        digests.append([sha256(file.read_bytes()).hexdigest() for file in sorted(out.rglob("*")) if file.is_file()])
    assert digests[0] == digests[1]
    assert {"templates", "prompts", "losses", "naming", "cpu_s"} <= report.keys()
    names = set(language.load_file(tmp_path / "one" / f"{family}.safetensors"))
    assert all(name.startswith("language_model.") for name in names)
    assert f"{family}.safetensors" in {file.name for file in (tmp_path / "one").iterdir()}


def test_the_reader_of_an_encoder_takes_one_question_of_a_talk(tokenizers: dict[str, Any]) -> None:
    reader = Reader(tokenizers[LANGUAGE_FOLDERS["t5"]].backend_tokenizer, is_causal=False)
    one = recital(Random(2), 1.0, 0.0)
    row = reader.recital(one, Random(0))
    assert row.prompt == (*reader.ids(one.pairs[0][0]), reader.eos_id)
    assert row.output == (*reader.ids(one.pairs[0][1]), reader.eos_id)
