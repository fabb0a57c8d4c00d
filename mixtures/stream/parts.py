"""Finds the built members of a mixture, reports the missing ones, and opens the index of each."""

from collections.abc import Mapping
from pathlib import Path

from ib_data.cards import card_names
from ib_data.console import note
from ib_data.errors import IbDataError
from ib_data.keyed import keyed_bits
from ib_data.mixtures.order.units import Units
from ib_data.mixtures.spec.built_members import Source, differing_sizes, require_known, sources
from ib_data.mixtures.spec.mixture import Mixture
from ib_data.mixtures.spec.weights import drawn_names
from ib_data.mixtures.stream.part import Part
from ib_data.stored.built_split import BuiltSplit
from ib_data.stored.store import LocalStore, Store
from ib_data.templates.renderer import Renderer

_BITS = 2**64 - 1


def find_built(store: Store, mixture: Mixture, *, available: bool) -> tuple[Mixture, Mapping[str, Source]]:
    """The mixture of the members that will be read, and their sources by name.

    Raises IbDataError for members that are not built; with `available`, prints a note and leaves them out.
    """
    require_known(mixture)
    spec = mixture.only(drawn_names(mixture))
    found = sources(store, spec)
    missing = [name for name, source in found.items() if not source.num_built]
    if missing:
        if len(missing) == len(found):
            store.require_layout(card_names())
        _report_missing(spec, missing, available, isinstance(store, LocalStore))
        spec = spec.only(set(found) - set(missing))
    return spec, {name: source for name, source in found.items() if name not in missing}


def parts_of(built: Mapping[str, Source], renderer: Renderer, annotations_per_image: int) -> dict[str, Part]:
    """The members in order; members over the same shards (a dataset and its view) share one index."""
    splits: dict[Path, BuiltSplit] = {}
    parts = {}
    for name, source in built.items():
        assert source.card is not None
        assert source.built is not None
        split = splits.setdefault(source.built.folder, source.built)
        units = Units(
            rows=split.rows,
            annotations_per_image=annotations_per_image,
            is_chat=renderer.options.turns == "chat",
            key=keyed_bits(renderer.seed, f"mixture/turns/{name}") & _BITS,
        )
        parts[name] = Part(name, source.card, split, units, renderer.of(source.card))
    return parts


def report_sizes(mixture: Mixture, parts: Mapping[str, Part], *, strict: bool) -> None:
    """Print a note on members whose built size differs from the pinned size; with `strict`, raise IbDataError."""
    members = {member.name: member for member in mixture.members}
    found = {name: Source(members[name], part.card, part.built) for name, part in parts.items()}
    differing = differing_sizes(mixture, found)
    if not differing:
        return
    text = f"mixture {mixture.name}: weights use the pinned sizes, epochs count what is built: {'; '.join(differing)}"
    if strict:
        raise IbDataError(f"{text}; build the rest, or leave out --strict")
    note(text)


def _report_missing(spec: Mixture, missing: list[str], available: bool, is_local: bool) -> None:
    names = ", ".join(missing)
    state = "built" if is_local else "in the object store"
    build = f"run `ib-data build {missing[0]}` and so on" if is_local else "copy their folders there"
    if len(missing) == len(spec.members):
        raise IbDataError(f"mixture {spec.name}: none of its members is {state} ({names}); {build}")
    if not available:
        without = "--available, or available=true for `train`"
        raise IbDataError(f"mixture {spec.name}: not {state}: {names}; {build}, or go without them: {without}")
    note(f"mixture {spec.name}: left out because not {state}: {names}; their weight goes to the other members")
