"""The options of a build. Imports no pyarrow: `ib-data build --help` reads the options from these fields."""

from dataclasses import dataclass

from ib_data.settings import check_settings, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Options of `ib-data build`; IbDataError for a value that is not allowed.

    `limit` is in samples per split, `max_side` in pixels. `replace`: replace an existing build that holds more.
    `drop_repeated`: drop images whose bytes this many URLs, or more, share.
    """

    media: bool = setting(True, "Build images and clips.")
    allow_missing: bool = setting(False, "Drop and count samples whose image or clip is missing or broken.")
    max_side: int | None = setting(None, "Downscale images whose longer side is above PX.", kind=int, least=16)
    limit: int | None = setting(None, "Only the first N images or clips of each split.", kind=int, least=1)
    workers: int = setting(1, "Processes that write shards.", least=1)
    miniature: bool = setting(False, "Build from the bundled miniature: drawn images in the official formats.")
    mini_size: int = setting(
        40,
        "Number of images in the largest archive of the miniature; the others scale with it.",
        least=1,
        most=100_000,
    )
    samples_per_shard: int = setting(1000, "Samples of a shard.", least=1)
    replace: bool = setting(
        False, "Replace an existing build even if it holds more annotations or media, or has another form."
    )
    drop_repeated: int | None = setting(
        None, "Drop and count web images that N or more URLs share byte for byte (placeholders).", kind=int, least=2
    )

    def __post_init__(self) -> None:
        check_settings(self)
