"""What a bridge reads: one split of a dataset, or the members of a mixture with their weights."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ib_data.cards import Card, card_names, find_card
from ib_data.cards.built import open_split
from ib_data.errors import IbDataError
from ib_data.given import folder, integer, name_or_path, require_text
from ib_data.home import Home, HomeLike
from ib_data.mixtures.spec.spec_file import load_mixture
from ib_data.mixtures.spec.weights import weights
from ib_data.mixtures.stream.parts import find_built
from ib_data.sample import Annotation
from ib_data.stored.built_split import BuiltSplit
from ib_data.stored.conversations import conversation_ends
from ib_data.stored.store import store_of
from ib_data.templates.library import Library
from ib_data.templates.rendered import Rendered
from ib_data.templates.renderer import Renderer


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeMember:
    """A built split and how its annotations are rendered.

    With `is_pass` it renders as a pass over a dataset: a held-out dataset with its zero-shot prompt, and without a
    target if the split hides it (`hides_targets`). Otherwise as in training: with the template that the position draws.
    """

    name: str
    card: Card
    split: BuiltSplit
    renderer: Renderer
    weight: float = 1.0
    is_pass: bool = True
    hides_targets: bool = False

    def rendered(self, annotation: Annotation, position: int) -> Rendered:
        """The render of an annotation. Raises RenderError if no template fits."""
        if not self.is_pass:
            return self.renderer.render(self.card, annotation, position)
        return self.renderer.render_in_pass(self.card, annotation, position, may_hide=self.hides_targets)

    def drawn(self, annotations: tuple[Annotation, ...]) -> Iterator[tuple[int, Annotation]]:
        """The annotations of a sample that are examples, with their places; in a chat only the last one."""
        numbers = range(len(annotations))
        if self.renderer.options.turns == "chat":
            turns = np.array([len(annotation.history) for annotation in annotations], dtype=np.int64)
            numbers = conversation_ends(np.arange(len(annotations), dtype=np.int32), turns).tolist()
        yield from ((number, annotations[number]) for number in numbers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The arguments of a bridge. `shards` is the URL of shards in an object store."""

    home: Home
    name: str
    split: str | None
    seed: int
    epoch: int
    templates: Path | None
    available: bool
    shards: str | None
    cache_bytes: int | None

    @classmethod
    def of(
        cls,
        home: HomeLike | None,
        name: str | os.PathLike[str],
        split: str | None,
        *,
        seed: int,
        epoch: int,
        templates: str | os.PathLike[str] | None,
        available: bool,
        shards: str | None,
        cache_bytes: int | None,
    ) -> "Asked":
        """What was asked for, with absolute paths; IbDataError that names an argument of another type."""
        require_text("split", split)
        return cls(
            home=Home.find(home),
            name=name_or_path("name", name, "a dataset, a mixture or the path of a .toml file"),
            split=split,
            seed=integer("seed", seed),
            epoch=integer("epoch", epoch, 0),
            templates=None if templates is None else folder("templates", templates),
            available=available,
            shards=shards,
            cache_bytes=cache_bytes,
        )

    @property
    def is_dataset(self) -> bool:
        """Whether the name is a dataset and not a mixture. Raises IbDataError for a mixture with a `split`."""
        if self.name in card_names():
            return True
        if self.split is not None:
            raise IbDataError(f"split={self.split!r} is for a dataset; {self.name!r} is a mixture")
        return False

    def dataset(self) -> BridgeMember:
        """The split of the dataset. Raises what `open_split` raises."""
        card = find_card(self.name)
        split = open_split(store_of(self.home, self.shards, self.cache_bytes), card, self.split)
        renderer = Renderer(Library(self.templates), self.seed).of(card)
        hides = renderer.hides_targets(card, split.split)
        return BridgeMember(name=self.name, card=card, split=split, renderer=renderer, hides_targets=hides)

    def members(self) -> list[BridgeMember]:
        """The members of the mixture that are built. Raises what `open_stream` raises for those that are not."""
        store = store_of(self.home, self.shards, self.cache_bytes)
        mixture, found = find_built(store, load_mixture(self.name), available=self.available)
        renderer = Renderer(Library(self.templates), self.seed, mixture.render)
        share, members = weights(mixture), []
        for name, source in found.items():
            assert source.card is not None
            assert source.built is not None
            own = renderer.of(source.card)
            member = BridgeMember(name=name, card=source.card, split=source.built, renderer=own, is_pass=False)
            members.append(replace(member, weight=share[name]))
        return members
