"""The output of `ib-data build`: a line per split, and a total."""

import json
import time
from types import TracebackType
from typing import Any

import click

from ib_data.cards import load_card, media_stores
from ib_data.cards.kinds import drops_in_words, kind_of, official_share
from ib_data.console import count_text, note, seconds_text, size_text
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.stored.manifest import DROPS, Manifest


class Report:
    """Collects the built splits: a context manager whose call reports one split and whose exit prints the total.

    With `as_json` everything is printed at the end. Built splits are reported even if a later dataset fails.
    """

    def __init__(self, home: Home, as_json: bool) -> None:
        self.home, self.as_json = home, as_json
        self.splits: list[dict[str, Any]] = []
        self.began_s = self.told_s = time.monotonic()

    def __call__(self, manifest: Manifest, is_new: bool) -> None:
        """Report a split; `is_new` is False if it was already built."""
        from ib_data.stored.index import drop_counts

        now = time.monotonic()
        folder = self.home.split(manifest.dataset, manifest.split)
        drops = drop_counts(folder / DROPS)
        values = _values(manifest) | {
            "drops": drops,
            "folder": str(folder),
            "is_new": is_new,
            "seconds": round(now - self.told_s, 3),
        }
        self.told_s = now
        self.splits.append(values)
        if not self.as_json:
            taken = f", {seconds_text(values['seconds'])}" if is_new else ""
            click.echo(f"{_line(manifest, is_new)}; {drops_in_words(drops)}; {_size(manifest)} in {folder}{taken}")

    def __enter__(self) -> "Report":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, _trace: TracebackType | None) -> None:
        if error is not None and not isinstance(error, IbDataError):
            return
        num_bytes, seconds = sum(split["bytes"] for split in self.splits), time.monotonic() - self.began_s
        if self.as_json:
            found = {"splits": self.splits, "bytes": num_bytes, "seconds": round(seconds, 3)}
            click.echo(json.dumps(found, indent=1, ensure_ascii=False))
        elif new := [split for split in self.splits if split["is_new"]]:
            built = f"built {count_text(len(new), 'split')}, {size_text(sum(split['bytes'] for split in new))}"
            note(f"{built} in {seconds_text(seconds)}; look at them with `ib-data show {new[0]['dataset']}`")


def _values(manifest: Manifest) -> dict[str, Any]:
    return {
        "dataset": manifest.dataset,
        "split": manifest.split,
        "samples": manifest.num_samples,
        "annotations": manifest.num_annotations,
        "shards": len(manifest.shards),
        "bytes": manifest.num_bytes,
        "kind": list(kind_of(manifest, load_card(manifest.dataset))),
    }


def _line(manifest: Manifest, is_new: bool) -> str:
    """The contents of a split, and their share of the official data."""
    card = load_card(manifest.dataset)
    kind = media_stores()[card.media[0]].kind
    share = None if manifest.recipe.get("miniature") else official_share(manifest, card)
    annotations = count_text(manifest.num_annotations, "annotation")
    if share:
        official = card.splits[manifest.split].num_annotations
        annotations = f"{manifest.num_annotations:,} of {official:,} annotations ({share})"
    kinds = (phrase for phrase in kind_of(manifest, card) if not phrase.endswith("of the official size"))
    samples = count_text(manifest.num_samples, "clip" if kind == "video" else kind)
    known = "" if is_new else "already built, unchanged: "
    return f"{manifest.dataset}/{manifest.split}: {known}{annotations} on {samples}{''.join(f', {p}' for p in kinds)}"


def _size(manifest: Manifest) -> str:
    return f"{count_text(len(manifest.shards), 'shard')}, {size_text(manifest.num_bytes)}"
