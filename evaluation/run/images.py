"""Images and clips of cases as pixels, and whose image each question is about if they are exchanged."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from ib_data.errors import DataError, IbDataError
from ib_data.evaluation.answering import Frames
from ib_data.evaluation.case import Case
from ib_data.keyed import keyed_bits
from ib_data.media.faults import MediaError
from ib_data.media.pixels import pixels
from ib_data.mixtures.order.permutation import permute_array
from ib_data.stored.built_split import BuiltSplit
from ib_data.stream_options import ImageOptions

_THREADS = 4


class Images:
    """Reads the images of cases; `partners` are the samples to take instead, by sample key."""

    def __init__(self, built: BuiltSplit, options: ImageOptions | None, partners: Mapping[str, str]) -> None:
        self._built, self._options, self._partners = built, options, partners
        self._pool = ThreadPoolExecutor(_THREADS)

    def __enter__(self) -> "Images":
        return self

    def __exit__(self, *_given: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def begin(self, cases: Sequence[Case]) -> dict[str, "Future[Frames | bytes]"]:
        """Read what the cases need and start to decode it; by sample key. Equal keys share one array.

        Without `options` the stored bytes are given. A future raises an error for what cannot be read or decoded.
        """
        return {key: self._pool.submit(self._pixels, self._read(key)) for key in dict.fromkeys(c.key for c in cases)}

    def _read(self, key: str) -> tuple[bytes, str] | IbDataError:
        """Bytes and kind, read here, since a split is for one thread; or why they cannot be read."""
        try:
            sample, data = self._built.read(self._built.ref_of(self._partners.get(key, key)))
        except IbDataError as error:
            return error
        if data is None:
            remedy = f"build {self._built.dataset} without --no-media"
            return DataError(self._built.dataset, "was built without images", row=key, remedy=remedy)
        return data, sample.media.kind

    def _pixels(self, found: tuple[bytes, str] | IbDataError) -> Frames | bytes:
        if isinstance(found, IbDataError):
            raise found
        return found[0] if self._options is None else pixels(*found, self._options)


def exchanged(cases: Sequence[Case], seed: int) -> dict[str, str]:
    """For the sample of each case, another one with a different image or clip: a derangement by seed, in one cycle.

    Raises IbDataError if all cases have the same image.
    """
    keys: dict[str | None, str] = {}
    for case in cases:
        keys.setdefault(case.media_sha256, case.key)
    if len(keys) < 2:
        raise IbDataError("images cannot be exchanged: all cases have the same one; leave out --shuffle-images")
    names = list(keys)
    key = np.array([keyed_bits(seed, "evaluation/shuffled images") % 2**64], dtype=np.uint64)
    order = [names[i] for i in permute_array(np.arange(len(names), dtype=np.int64), len(names), key).tolist()]
    follower = dict(zip(order, [*order[1:], order[0]], strict=True))
    return {case.key: keys[follower[case.media_sha256]] for case in cases}


def require_decoded(pending: "Future[Frames | bytes]") -> Frames | bytes:
    """The pixels, or the bytes. Raises IbDataError, in one line, for an image or clip that cannot be decoded."""
    try:
        return pending.result()
    except MediaError as error:
        raise IbDataError(f"its image cannot be decoded: {error}") from error
