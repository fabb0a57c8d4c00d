"""From what positions draw to examples: shards read in their order, instructions rendered, then pictures decoded.

A sample that cannot be used is replaced by another of the same member, chosen by (seed, position) alone: a batch is
never shorter for it and no other position changes.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ib_data.cards import Card
from ib_data.errors import DataError, IbDataError
from ib_data.keyed import keyed_below
from ib_data.media.frames import ClipError
from ib_data.media.opened_image import MediaError
from ib_data.media.pixels import pixels
from ib_data.mixtures.order.units import Units
from ib_data.mixtures.stream.example import Example
from ib_data.mixtures.stream.quarantine import BadSample, Quarantine
from ib_data.mixtures.stream.stream_options import StreamOptions
from ib_data.mixtures.stream.template_choice import TemplateChoice
from ib_data.sample import Annotation, SampleError, StoredSample
from ib_data.stored.manifest import Shard
from ib_data.stored.meter import Meter
from ib_data.stored.rows import Place, Rows
from ib_data.stored.sample_reader import DAMAGED, OtherContentError, parse_stored
from ib_data.stored.shard_reader import Request, ShardReader
from ib_data.templates.fields import HiddenTargetError, hides_targets
from ib_data.templates.render import Rendered, render
from ib_data.templates.render_options import RenderOptions
from ib_data.templates.template import Template

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    _Pictures = dict[str, NDArray[np.uint8]]  # by the checksum of the stored bytes

# With a hundredth of bad samples this many in a row come once in 10**32 positions.
_MOST_PROBES = 16


@dataclass(frozen=True)
class Part:
    """A member as the stream reads it. `template` is the one that a visit renders with, None where one is drawn."""

    name: str
    card: Card
    split: str
    rows: Rows
    units: Units
    choice: TemplateChoice
    template: Template | None

    @cached_property
    def hides_targets(self) -> bool:
        """Whether annotations of the split need not have a target: a visit gives their instruction alone."""
        return hides_targets(self.card, self.split, self.choice.folder)

    @cached_property
    def shards(self) -> dict[str, Shard]:
        """The shards by their names."""
        return {shard.name: shard for shard in self.rows.manifest.shards}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One draw to be read: unit number `unit` of `part`, in its `epoch`, at `position`."""

    part: Part
    position: int
    unit: int
    epoch: int


@dataclass(frozen=True, slots=True)
class _Found:
    """The rows of a draw, where their sample lies, and its bytes."""

    want: Wanted
    rows: tuple[int, ...]
    place: Place
    data: bytes


class _UnusableError(IbDataError):
    """A sample that no training step can use; `row` is that of the annotation at fault, or the first of the unit."""

    def __init__(self, reason: str, row: int) -> None:
        super().__init__(reason)
        self.row = row


class ExampleReader:
    """Reads for one process."""

    def __init__(
        self, seed: int, options: StreamOptions, rendering: RenderOptions, shards: ShardReader, quarantine: Quarantine
    ) -> None:
        self.seed = seed
        self.options = options
        self.rendering = rendering
        self.shards = shards
        self.quarantine = quarantine

    @property
    def meter(self) -> Meter:
        """What was read so far, and where its time went."""
        return self.shards.meter

    def read(self, wanted: Sequence[Wanted], *, with_pixels: bool = True, is_visit: bool = False) -> list[Example]:
        """The examples of all draws, in their order.

        `is_visit`: each unit stands for itself, so a bad one is left out and not replaced; pictures are not augmented,
        and a held-out dataset is rendered with its zero-shot prompt, without a target where the split hides it. Raises
        DataError for a shard that is not what the index says, and for a draw of a split that hides its answers,
        IbDataError where too much is bad.
        """
        pictures: _Pictures | None = {} if with_pixels and self.options.images else None
        found: list[list[Example]] = [[] for _ in wanted]
        for number, unit in self._fetched(wanted):
            self.quarantine.num_seen += 1
            self.meter.num_positions += 1
            try:
                found[number] = self._examples(unit, is_visit)
            except _UnusableError as error:
                found[number] = self._replaced(unit.want, error, pictures, is_visit)
        if pictures is not None:
            # Not sample by sample: a decoder leaves nothing of the texts' code and data in the processor's cache.
            for number, want in enumerate(wanted):
                try:
                    found[number] = self._decoded(want, found[number], pictures, is_visit)
                except _UnusableError as error:
                    found[number] = self._replaced(want, error, pictures, is_visit)
        self.meter.num_examples += sum(map(len, found))
        return [example for examples in found for example in examples]

    def _fetched(self, wanted: Sequence[Wanted]) -> Iterator[tuple[int, _Found]]:
        """The number of each draw with what was read of it, in the order of the shards."""
        rows = [want.part.units.rows_of(want.unit, want.epoch) for want in wanted]
        places = [want.part.rows.place(of[0]) for want, of in zip(wanted, rows, strict=True)]
        requests = [_request(want.part, place) for want, place in zip(wanted, places, strict=True)]
        for number, data in self.shards.each(requests):
            yield number, _Found(wanted[number], rows[number], places[number], data)

    def _replaced(
        self, want: Wanted, error: _UnusableError, pictures: "_Pictures | None", is_visit: bool
    ) -> list[Example]:
        """What is given in place of an unusable sample: nothing in a visit, else another unit of the same member."""
        self.quarantine.count(self._log(want, error), want.part.card.stored_as)
        if is_visit:
            return []
        part = want.part
        for attempt in range(_MOST_PROBES):
            unit = keyed_below(part.units.count, self.seed, f"mixture/probe/{part.name}", want.position, attempt)
            ((_, found),) = self._fetched([replace(want, unit=unit)])
            try:
                examples = self._examples(found, is_visit)
                return examples if pictures is None else self._decoded(found.want, examples, pictures, is_visit)
            except _UnusableError as error:
                self._log(found.want, error)
        problem = f"{_MOST_PROBES + 1} samples in a row cannot be used at position {want.position}"
        remedy = f"run `ib-data check {part.card.stored_as} --decode`"
        raise DataError(part.name, problem, file=str(self.quarantine.path), remedy=remedy)

    def _examples(self, found: _Found, is_visit: bool) -> list[Example]:
        """The examples of a unit, without pixels."""
        want, part = found.want, found.want.part
        try:
            sample, media = parse_stored(found.place.extent, found.data)
        except (OtherContentError, SampleError) as error:
            raise self._damage(part, found.place, str(error)) from error
        self.meter.media_bytes += len(media or b"")
        examples: list[Example] = []
        for number, row in enumerate(found.rows):
            place = found.place if number == 0 else part.rows.place(row)
            annotation = self._annotation(part, row, place, sample)
            try:
                rendered = self._rendered(want, number, row, annotation, is_visit)
            except _UnusableError as error:
                if len(found.rows) == 1:
                    raise
                self._log(want, error)  # the image's other annotations can be used
                continue
            examples.append(
                Example(
                    want.position,
                    part.name,
                    part.split,
                    sample.key,
                    annotation.id,
                    want.epoch,
                    annotation,
                    rendered,
                    media,
                    sample.media.kind,
                )
            )
        if not examples:
            raise _UnusableError("none of its annotations can be rendered", found.rows[0])
        return examples

    def _rendered(self, want: Wanted, number: int, row: int, annotation: Annotation, is_visit: bool) -> Rendered:
        """Annotation `number` of an image renders at a position of its own: the templates of one image differ."""
        began = time.perf_counter()
        try:
            return render(
                want.part.card,
                annotation,
                seed=self.seed,
                position=want.position * self.options.annotations_per_image + number,
                template=want.part.template if is_visit else None,
                folder=self.options.templates,
                options=self.rendering,
                may_hide=is_visit and want.part.hides_targets,
            )
        except HiddenTargetError as error:
            if want.part.hides_targets:
                raise self._untrainable(want.part) from error
            raise _UnusableError(str(error), row) from error
        except DataError as error:
            raise _UnusableError(str(error), row) from error
        finally:
            self.meter.render_s += time.perf_counter() - began

    def _decoded(self, want: Wanted, examples: list[Example], pictures: "_Pictures", is_visit: bool) -> list[Example]:
        """The examples of one unit with their picture; without augmentation a batch shares equal ones."""
        options = self.options.images
        assert options is not None
        if not examples or examples[0].pixels is not None:  # left out, or replaced and decoded already
            return examples
        if is_visit:
            options = replace(options, augment="none")
        row = want.part.units.rows_of(want.unit, want.epoch)[0]
        media, key = examples[0].media, examples[0].key
        if media is None:
            name = want.part.card.stored_as
            problem = "the sample was built without its image or clip"
            raise DataError(name, problem, row=key, remedy=f"build {name} without --no-media")
        known = want.part.rows.media_sha256(row) if options.augment == "none" else None
        picture = None if known is None else pictures.get(known)
        if picture is None:
            began = time.perf_counter()
            try:
                picture = pixels(media, examples[0].media_kind, options, seed=self.seed, position=want.position)
            except (MediaError, ClipError) as error:
                raise _UnusableError(str(error), row) from error
            finally:
                self.meter.decode_s += time.perf_counter() - began
            if known is not None:
                pictures[known] = picture
        return [replace(example, pixels=picture) for example in examples]

    def _annotation(self, part: Part, row: int, place: Place, sample: StoredSample) -> Annotation:
        """That of a row; DataError where the shard holds another sample than the index says, or a faulty one."""
        key, annotation_id = part.rows.ids(row)
        problem = f"expected sample {key!r} with annotation {annotation_id!r}, found sample {sample.key!r}"
        if sample.key == key and place.ordinal < sample.num_annotations:
            try:
                found = sample.annotation(place.ordinal)
            except SampleError as error:
                raise self._damage(part, place, str(error)) from error
            if found.id == annotation_id:
                if sample.media.sha256 == part.rows.media_sha256(row):
                    return found
                problem = f"sample {key!r} holds another image or clip than when the index was made"
        raise self._damage(part, place, problem, "the index is of another build")

    def _damage(self, part: Part, place: Place, problem: str, why: str = DAMAGED) -> DataError:
        return self.shards.damage(part.rows.folder, place.shard, place.extent, problem, why)

    def _untrainable(self, part: Part) -> DataError:
        problem = f"split {part.split!r} hides its answers: nothing can be learnt from it"
        return DataError(part.name, problem, remedy="name another split in the mixture; a pass for evaluation reads it")

    def _log(self, want: Wanted, error: _UnusableError) -> BadSample:
        part = want.part
        key, annotation_id = part.rows.ids(error.row)
        bad = BadSample(
            dataset=part.name,
            split=part.split,
            key=key,
            annotation_id=annotation_id,
            position=want.position,
            reason=str(error),
        )
        self.meter.num_bad += 1
        self.quarantine.add(bad)
        return bad


def _request(part: Part, place: Place) -> Request:
    return Request(part.rows.folder, part.shards[place.shard], place.extent)
