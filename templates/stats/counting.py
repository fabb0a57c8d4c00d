"""Renders a built split from its index and counts the lengths of the texts."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from ib_data.cards import Card
from ib_data.console import progress
from ib_data.stored.built_split import ANNOTATION_FIELDS, BuiltSplit
from ib_data.templates.render_errors import RenderError
from ib_data.templates.render_options import MAX_INSTRUCTION_TOKENS, MAX_TARGET_TOKENS
from ib_data.templates.rendered import Rendered
from ib_data.templates.renderer import Renderer
from ib_data.templates.stats.stats_file import Quantiles, RenderLengths, Stats, TemplateStats, TextLengths
from ib_data.templates.stats.token_counts import TokenCounter

# Texts per call of the tokenizer.
_TEXTS_AT_ONCE = 1000
# Fields that templates cannot show (`rationales`, `extra`) are not read: they are most of the text of some datasets.
_RENDERED = tuple(name for name in ANNOTATION_FIELDS if name not in ("rationales", "extra"))
_PERCENTILES = (5, 50, 95, 99, 100)


def count_lengths(
    card: Card,
    built: BuiltSplit,
    renderer: Renderer,
    *,
    max_rows: int = 10_000,
    counter: TokenCounter | None = None,
    max_instruction_tokens: int = MAX_INSTRUCTION_TOKENS,
    max_target_tokens: int = MAX_TARGET_TOKENS,
) -> Stats:
    """The lengths of a built split: over all of its annotations, or over `max_rows` evenly spread over its index.

    Renders annotation i of the index at position i: a held-out dataset with its zero-shot prompt, any other with the
    template drawn there. Annotations that cannot be rendered are counted by reason. Raises DataError for a damaged
    index.
    """
    renderer = renderer.of(card)
    rows = spread_rows(len(built), max_rows)
    failures: Counter[str] = Counter()
    # Characters and tokens of instruction and target in a flat array: 32 bytes per render, so 14 million fit in memory.
    found: defaultdict[tuple[str, str], array[int]] = defaultdict(lambda: array("q"))
    renders = _renders(card, built, renderer, rows, failures)
    renders = progress(renders, f"{card.name}/{built.manifest.split}: rendering", "annotation", len(rows))
    while some := list(islice(renders, _TEXTS_AT_ONCE)):
        texts = [rendered.instruction for rendered in some], [rendered.target or "" for rendered in some]
        tokens = [counter.counts(part) if counter else [0] * len(some) for part in texts]
        for rendered, num_instruction, num_target in zip(some, *tokens, strict=True):
            lengths = len(rendered.instruction), num_instruction, len(rendered.target or ""), num_target
            found[rendered.template, rendered.template_sha256].extend(lengths)
    columns = {key: np.frombuffer(lengths, dtype=np.int64).reshape(-1, 4) for key, lengths in sorted(found.items())}
    limits = (max_instruction_tokens, max_target_tokens) if counter else (None, None)
    return Stats(
        dataset=card.name,
        split=built.split,
        index_sha256=built.manifest.index_sha256,
        seed=renderer.seed,
        render=renderer.options,
        templates_folder=str(folder.absolute()) if (folder := renderer.library.folder) else None,
        templates_sha256=renderer.digest(card),
        num_annotations=len(built),
        num_rows=len(rows),
        max_instruction_tokens=max_instruction_tokens,
        max_target_tokens=max_target_tokens,
        total=_lengths(np.concatenate(list(columns.values())), *limits) if columns else None,
        templates=tuple(
            TemplateStats(template=name, sha256=digest, lengths=_lengths(part, *limits))
            for (name, digest), part in columns.items()
        ),
        failures=dict(failures.most_common()),
        tokenizer_sha256=counter.sha256 if counter else None,
    )


def spread_rows(num_rows: int, limit: int) -> list[int]:
    """Ascending row numbers from 0: all `num_rows` of them, or `limit` evenly spread ones."""
    num_taken = min(num_rows, limit)
    return [place * num_rows // num_taken for place in range(num_taken)]


def _renders(
    card: Card, built: BuiltSplit, renderer: Renderer, rows: list[int], failures: Counter[str]
) -> Iterator[Rendered]:
    for row, annotation in built.annotations_at(rows, _RENDERED):
        try:
            yield renderer.render_in_pass(card, annotation, row, may_hide=False)
        except RenderError as error:
            failures[error.reason] += 1


def _lengths(
    columns: NDArray[np.int64], max_instruction_tokens: int | None, max_target_tokens: int | None
) -> RenderLengths:
    return RenderLengths(
        num_renders=len(columns),
        instruction=_text_lengths(columns[:, 0], columns[:, 1], max_instruction_tokens),
        target=_text_lengths(columns[:, 2], columns[:, 3], max_target_tokens),
    )


def _text_lengths(characters: NDArray[np.int64], tokens: NDArray[np.int64], limit: int | None) -> TextLengths:
    """The lengths of one part; `limit` is None if tokens were not counted."""
    if limit is None:
        return TextLengths(characters=_quantiles(characters))
    num_cut = int((tokens > limit).sum())
    return TextLengths(characters=_quantiles(characters), tokens=_quantiles(tokens), num_cut=num_cut)


def _quantiles(lengths: NDArray[np.int64]) -> Quantiles:
    """Quantiles by nearest rank, so each is a length that occurs."""
    p5, p50, p95, p99, longest = (int(q) for q in np.percentile(lengths, _PERCENTILES, method="inverted_cdf"))
    return Quantiles(p5=p5, p50=p50, p95=p95, p99=p99, max=longest)
