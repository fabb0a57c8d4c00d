"""The index and `render` see the same fields of an annotation: they choose the same template at every position."""

import hashlib
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ib_data.blank import BLANKS
from ib_data.cards import load_card
from ib_data.errors import DataError
from ib_data.sample import Annotation, Answer, Media, Sample, Turn
from ib_data.stored.index import SCHEMA, Extent, index_rows, write_table
from ib_data.stored.manifest import INDEX, Manifest, Shard
from ib_data.stored.rows import FIELDS, Rows
from ib_data.tasks import TASKS
from ib_data.templates.render_options import ANSWERS, CHOICE_TARGETS, INSTRUCTIONS, OPTION_ORDERS, TURNS, RenderOptions
from ib_data.templates.renderer import Renderer

BLANK = st.sampled_from([" ", "\t\n", "\x1c", "\x85", "\u00a0", "\u2003 \u3000", "\u200b", "\ufeff \u2060\x07"])
TEXT = st.one_of(st.sampled_from(["a cup", " {{ x }} ", "\u05d0\u202e", "\ufeff0", "\u200ba", "0"]), BLANK)
LABEL = st.sampled_from(["hateful", "not hateful", " "])


@st.composite
def annotations(draw: st.DrawFn) -> Annotation:
    """An annotation with any of the fields, each value a text or blank; the index points at an option."""
    options = tuple(draw(st.lists(TEXT, max_size=4)))
    return Annotation(
        id="1",
        question=draw(st.none() | TEXT),
        answers=tuple(draw(st.lists(st.builds(Answer, TEXT, st.integers(0, 3)), max_size=3))),
        caption=draw(st.none() | TEXT),
        options=options,
        answer_index=draw(st.none() | st.integers(0, len(options) - 1)) if options else None,
        context=draw(st.none() | TEXT),
        ocr_tokens=tuple(draw(st.lists(TEXT, max_size=3))),
        history=tuple(draw(st.lists(st.builds(Turn, TEXT, TEXT), max_size=2))),
        statement=draw(st.none() | TEXT),
        label=draw(st.none() | LABEL),
    )


def index_of(folder: Path, found: list[Annotation]) -> Rows:
    """The rows of an index of one sample with these annotations."""
    media = Media(kind="image", source_name="1.jpg")
    sample = Sample(key="s-1", dataset="s", split="train", media=media, annotations=tuple(found))
    extent = Extent(offset=0, num_bytes=0, json_offset=0, json_bytes=0)
    write_table(index_rows(sample, "s.tar", extent), SCHEMA, folder / INDEX)
    counts = {"num_samples": 1, "num_annotations": len(found), "num_drops": 0}
    digests = {"index_sha256": hashlib.sha256((folder / INDEX).read_bytes()).hexdigest(), "drops_sha256": ""}
    shard = Shard(name="s.tar", num_samples=1, num_annotations=len(found), num_bytes=0, sha256="")
    manifest = Manifest(dataset="s", split="train", **counts, **digests, shards=(shard,), recipe={})
    return Rows(folder, manifest, folder / "cache")


OPTIONS = st.builds(
    RenderOptions,
    answers=st.sampled_from(ANSWERS),
    option_order=st.sampled_from(OPTION_ORDERS),
    choice_targets=st.sampled_from(CHOICE_TARGETS),
    turns=st.sampled_from(TURNS),
    instructions=st.sampled_from(INSTRUCTIONS),
)


def rendered_template(
    task: str, annotation: Annotation, seed: int, position: int, options: RenderOptions
) -> str | None:
    card = replace(load_card("vqav2"), task=task)
    try:
        return Renderer(seed=seed, options=options).render(card, annotation, position).template
    except DataError:
        return None


@settings(deadline=None, max_examples=60)
@given(st.lists(annotations(), min_size=1, max_size=30), st.integers(0, 2**62), st.integers(0, 9), OPTIONS)
def test_the_index_names_the_template_that_render_draws(
    tmp_path_factory: pytest.TempPathFactory,
    found: list[Annotation],
    position: int,
    seed: int,
    options: RenderOptions,
) -> None:
    rows = index_of(tmp_path_factory.mktemp("index"), found)
    for task in TASKS:
        renderer = Renderer(seed=seed, options=options)
        drawn = [renderer.drawn(task, rows.fields(i), position + i) for i in range(len(found))]
        listed = [template and template.name for template in drawn]
        assert listed == [rendered_template(task, a, seed, position + i, options) for i, a in enumerate(found)], task


def test_each_field_has_its_bit(tmp_path: Path) -> None:
    whole = {
        "question": "q", "caption": "c", "context": "x", "statement": "s", "label": "l", "options": ("o",),
        "ocr_tokens": ("t",), "history": (Turn("q", "a"),), "answers": (Answer("a", 1),),
    }  # fmt: skip
    singles = [Annotation(id=name, **{name: value}) for name, value in whole.items()]  # type: ignore[arg-type]
    right = Annotation(id="right", options=("a", " ", "c"), answer_index=2)
    blank = replace(right, answer_index=1)
    nothing = [Annotation(id="none"), Annotation(id="blanks", options=(" ", "\u200b"), answer_index=1)]
    rows = index_of(tmp_path, [*singles, right, blank, *nothing])
    seen = [rows.fields(i) for i in range(rows.count)]
    names = [name for name in FIELDS if name != "right_option"]
    assert seen[: len(names)] == [{name} for name in names]
    assert seen[len(names) :] == [{"options_text", "right_option"}, {"options_text"}, frozenset(), frozenset()]


def test_blank_is_what_unicode_shows_nothing_of() -> None:
    kinds = {chr(code): unicodedata.category(chr(code)) for code in range(sys.maxunicode + 1)}
    assert {c for c, kind in kinds.items() if kind in ("Cc", "Cf", "Zs", "Zl", "Zp") or c.isspace()} <= set(BLANKS)
    # An older Python does not know the youngest format characters.
    assert {kinds[c] for c in BLANKS} <= {"Cc", "Cf", "Zs", "Zl", "Zp", "Cn"}
