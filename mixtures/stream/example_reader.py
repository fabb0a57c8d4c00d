"""From draws to examples: reads shards in order, renders instructions, then decodes images.

An unusable sample is replaced by another one of the same member, chosen by (seed, position) alone: the batch keeps its
length and no other position changes.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ib_data.errors import DataError, IbDataError
from ib_data.keyed import keyed_below
from ib_data.media.faults import MediaError
from ib_data.media.pixels import pixels
from ib_data.mixtures.stream.example import Example
from ib_data.mixtures.stream.part import Drawn, Part
from ib_data.mixtures.stream.quarantine import BadSample, Quarantine
from ib_data.sample import Annotation, SampleError
from ib_data.stored.meter import Meter
from ib_data.stored.sample_reader import OtherContentError, parse_stored
from ib_data.stored.shard_reader import ShardReader
from ib_data.stream_options import StreamOptions
from ib_data.templates.render_errors import HiddenTargetError
from ib_data.templates.rendered import Rendered

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    _Images = dict[str, NDArray[np.uint8]]  # by the checksum of the stored bytes

# If a hundredth of the samples are bad, this many in a row come once in 10**32 positions.
_MOST_PROBES = 16


class _UnusableError(IbDataError):
    """A sample that cannot be used for training; `row` is the row of the bad annotation, or the first of the unit."""

    def __init__(self, reason: str, row: int) -> None:
        super().__init__(reason)
        self.row = row


class ExampleReader:
    """Reads examples for one process."""

    def __init__(self, seed: int, options: StreamOptions, shards: ShardReader, quarantine: Quarantine) -> None:
        self.seed = seed
        self.options = options
        self.shards = shards
        self.quarantine = quarantine

    @property
    def meter(self) -> Meter:
        """Totals of what was read so far, and where the time went."""
        return self.shards.meter

    def read(self, drawn: Sequence[Drawn], *, with_pixels: bool = True) -> list[Example]:
        """The examples of all draws, in order.

        In a pass, bad units are left out instead of replaced, and images are not augmented. Raises DataError for a
        shard that does not match the index and for a draw from a split that hides its answers, and IbDataError if
        too many samples are bad.
        """
        images: _Images | None = {} if with_pixels and self.options.images else None
        found: list[list[Example]] = [[] for _ in drawn]
        for number, data in self.shards.each([draw.place for draw in drawn]):
            self.quarantine.num_seen += 1
            self.shards.meter.num_positions += 1
            try:
                found[number] = self._examples(drawn[number], data)
            except _UnusableError as error:
                found[number] = self._replaced(drawn[number], error, images)
        if images is not None:
            # Not sample by sample: a decoder evicts the code and data for texts from the processor's cache.
            for number, draw in enumerate(drawn):
                try:
                    found[number] = self._decoded(draw, found[number], images)
                except _UnusableError as error:
                    found[number] = self._replaced(draw, error, images)
        self.shards.meter.num_examples += sum(map(len, found))
        return [example for examples in found for example in examples]

    def _replaced(self, draw: Drawn, error: _UnusableError, images: "_Images | None") -> list[Example]:
        """The examples in place of an unusable sample: none in a pass, else those of another unit of the member."""
        part = draw.part
        self.quarantine.count(self._log(draw, error), part.card.stored_as)
        if part.is_pass:
            return []
        for attempt in range(_MOST_PROBES):
            unit = keyed_below(part.units.count, self.seed, f"mixture/probe/{part.name}", draw.position, attempt)
            probe = part.drawn(draw.position, unit, draw.epoch)
            ((_, data),) = self.shards.each([probe.place])
            try:
                examples = self._examples(probe, data)
                return examples if images is None else self._decoded(probe, examples, images)
            except _UnusableError as error:
                self._log(probe, error)
        problem = f"{_MOST_PROBES + 1} samples in a row cannot be used at position {draw.position}"
        remedy = f"run `ib-data check {part.card.stored_as} --decode`"
        raise DataError(part.name, problem, file=str(self.quarantine.path), remedy=remedy)

    def _examples(self, draw: Drawn, data: bytes) -> list[Example]:
        """The examples in the bytes of a draw's sample, without pixels."""
        part = draw.part
        try:
            sample, media = parse_stored(draw.place.extent, data)
            annotations = [part.built.annotation_in(sample, row) for row in draw.rows]
        except (OtherContentError, SampleError) as error:
            raise self.shards.damage(draw.place, str(error)) from error
        self.shards.meter.media_bytes += len(media or b"")
        examples: list[Example] = []
        for number, annotation in enumerate(annotations):
            try:
                rendered = self._rendered(draw, number, annotation)
            except _UnusableError as error:
                if len(annotations) == 1:
                    raise
                self._log(draw, error)  # the image's other annotations can be used
                continue
            examples.append(
                Example(
                    draw.position,
                    part.name,
                    part.split,
                    sample.key,
                    annotation.id,
                    draw.epoch,
                    annotation,
                    rendered,
                    media,
                    sample.media.kind,
                )
            )
        if not examples:
            raise _UnusableError("none of its annotations can be rendered", draw.rows[0])
        return examples

    def _rendered(self, draw: Drawn, number: int, annotation: Annotation) -> Rendered:
        """Renders annotation `number` of an image at its own position, so that templates differ within an image."""
        began = time.perf_counter()
        try:
            return draw.part.render(annotation, draw.position * self.options.annotations_per_image + number)
        except DataError as error:
            if isinstance(error, HiddenTargetError) and draw.part.hides_targets:
                raise _untrainable(draw.part) from error
            raise _UnusableError(str(error), draw.rows[number]) from error
        finally:
            self.shards.meter.render_s += time.perf_counter() - began

    def _decoded(self, draw: Drawn, examples: list[Example], images: "_Images") -> list[Example]:
        """The examples of one unit with their image; without augmentation, equal images of a batch are shared."""
        options, row = self.options.images, draw.rows[0]
        assert options is not None
        if not examples or examples[0].pixels is not None:  # left out, or replaced and already decoded
            return examples
        if draw.part.is_pass:
            options = replace(options, augment="none")
        media = examples[0].media
        if media is None:
            name, problem = draw.part.card.stored_as, "the sample was built without its image or clip"
            raise DataError(name, problem, row=examples[0].key, remedy=f"build {name} without --no-media")
        known = draw.part.rows.media_sha256(row) if options.augment == "none" else None
        image = None if known is None else images.get(known)
        if image is None:
            began = time.perf_counter()
            try:
                image = pixels(media, examples[0].media_kind, options, seed=self.seed, position=draw.position)
            except MediaError as error:
                raise _UnusableError(str(error), row) from error
            finally:
                self.shards.meter.decode_s += time.perf_counter() - began
            if known is not None:
                images[known] = image
        return [replace(example, pixels=image) for example in examples]

    def _log(self, draw: Drawn, error: _UnusableError) -> BadSample:
        part = draw.part
        key, annotation_id = part.rows.ids(error.row)
        bad = BadSample(
            dataset=part.name,
            split=part.split,
            key=key,
            annotation_id=annotation_id,
            position=draw.position,
            reason=str(error),
        )
        self.shards.meter.num_bad += 1
        self.quarantine.add(bad)
        return bad


def _untrainable(part: Part) -> DataError:
    problem = f"split {part.split!r} hides its answers and cannot be trained on"
    return DataError(part.name, problem, remedy="name another split in the mixture; a pass for evaluation reads it")
