"""What a card says of files, media, splits and gates: plain data without the reading of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePath, PurePosixPath
from urllib.parse import unquote, urlsplit

from ib_data.cards.marks import Mark

# What scores the answers of a dataset, by the name that cards and code share.
METRICS = {
    "none": "training data only: nothing is scored",
    "accuracy": "the share of answers that equal the right one",
    "vqa-accuracy": "agreement with ten annotators, each left out once",
    "aokvqa-accuracy": "min(1, n / 3), where n of the ten direct answers equal the prediction",
    "ivqa-accuracy": "min(1, n / 2), where n of the five answers equal the prediction",
    "cider": "CIDEr-D over the references of each image",
    "mrr": "mean reciprocal rank of the right candidate",
    "roc-auc": "area under the ROC curve",
}

# How people spell the ending of an image.
_SPELLINGS = {"jpg": ("jpeg", "JPG", "JPEG"), "png": ("PNG",)}


@cache
def _fixed(layout: str) -> str:
    """What a layout says before the part with the id, with its last slash."""
    folder, slash, _ = layout[: layout.index("{image_id")].rpartition("/")
    return folder + slash


@cache
def _name_pattern(layout: str) -> tuple[re.Pattern[str], int, str]:
    """The pattern of a file's name without its ending, how many numbers of fixed width it has, and the ending."""
    name = PurePosixPath(layout).name
    stem, extension = name.rpartition(".")[::2] if "." in name else (name, "")
    pattern, num_fixed = re.subn(r"\\{image_id:0(\d+)d\\}", r"\\d{\1}", re.escape(stem))
    return re.compile(pattern.replace(r"\{image_id\}", ".+")), num_fixed, extension


def place_of(url: str) -> str:
    """HOST/PATH of a URL, without its query."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'unknown'}{unquote(parts.path)}".rstrip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One official file. `None` is "not known". `member` is the file inside the archive that a builder reads.

    A `member` written as FOLDER/**/NAME stands for all files of that name below the folder, an object of JSON each.
    An `optional` file adds to what the others say; a `--source` that holds the others need not hold it.
    `marks` are what tells its rows from those of another split, version or dataset (see `marks.read_marks`).
    """

    name: str
    url: str
    role: str
    split: str | None = None
    form: str | None = None
    member: str | None = None
    num_bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    optional: bool = False
    marks: Mapping[str, tuple[Mark, ...]] = field(default_factory=dict, compare=False)

    @property
    def place(self) -> str:
        """HOST/PATH of the URL: where the file lies under `downloads`, and under a mirror.

        Where the path does not end in the file's name (a share that tells files apart by its query) the name follows.
        """
        path = place_of(self.url)
        return path if PurePosixPath(path).name == PurePosixPath(self.name).name else f"{path}/{self.name}"

    @property
    def tree(self) -> tuple[str, str] | None:
        """(folder, file name) where `member` stands for many files, None where it is one."""
        folder, stars, name = (self.member or "").partition("/**/")
        return (folder, name) if stars else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStore:
    """Images or clips that datasets share: an archive (`file`), or single files on the web (`each`).

    `layout` gives a member's name from an `image_id`, which may itself be a path. Stores of one `family` hold the same
    media under the same ids, but for those that are `part_of` one whole: each of its media is in one part. `each` is
    the URL of one image, made from `{image_id}`; `{url}` takes it from the row. `parts` are other stores of which one
    holds an image, where the rows do not say which. `extensions` are others under which a loose file counts too: many
    copies of a clip are encoded anew.
    """

    name: str
    kind: str
    family: str
    layout: str
    file: SourceFile | None = None
    each: str | None = None
    gate: "Gate | None" = None
    num_images: int | None = None
    parts: tuple[str, ...] = ()
    part_of: str | None = None
    extensions: tuple[str, ...] = ()

    def member(self, image_id: int | str) -> str:
        """The official member name of an image."""
        return self.layout.format(image_id=image_id)

    @property
    def folder(self) -> tuple[str, ...]:
        """The folders of the layout that no id changes, outermost first."""
        return PurePosixPath(_fixed(self.layout)).parts

    @property
    def is_numbered(self) -> bool:
        """Whether a file's name says by itself whose it is, as `COCO_val2014_000000000042.jpg` does."""
        return not PurePosixPath(self.layout).name.startswith("{image_id")

    def tail(self, image_id: int | str) -> str:
        """The end of the member name from the id on: what stands in the official folder."""
        return self.member(image_id).removeprefix(_fixed(self.layout))

    def tails(self, image_id: int | str) -> tuple[str, ...]:
        """`tail`, and the same under every other ending that counts."""
        tail = self.tail(image_id)
        stem, dot, ending = tail.rpartition(".")
        if not dot or "/" in ending:
            return (tail,)
        others = (*_SPELLINGS.get(ending, ()), *self.extensions)
        return tuple(dict.fromkeys((tail, *(f"{stem}.{other}" for other in others))))

    def names(self, path: PurePath) -> bool:
        """Whether a loose file could be one of the store, by its name; a free id needs its official folder as well."""
        pattern, num_fixed, extension = _name_pattern(self.layout)
        known = {f".{name}" for name in (extension, *_SPELLINGS.get(extension, ()), *self.extensions) if name}
        if path.suffix.lower() not in known or pattern.fullmatch(path.stem) is None:
            return False
        layout = PurePosixPath(self.layout)
        # A clip of such a name is rarely there by chance; an image whose name is only an id may be.
        return num_fixed > 0 or self.kind == "video" or path.parent.name == layout.parent.name != ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """One split: what the source calls it, its official size, and the fields an annotation must have."""

    name: str
    source_name: str
    num_annotations: int | None
    num_images: int | None
    default: bool
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a person must do before the source can be had."""

    kind: str
    where: str
    lay_down: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HubMirror:
    """A repository on the Hugging Face hub whose rows keep the official keys; `splits` are its names by ours."""

    id: str
    splits: dict[str, str]
