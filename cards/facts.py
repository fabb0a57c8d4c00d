"""The parts of a card: files, media stores, splits and gates, as plain data."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import PurePath, PurePosixPath
from urllib.parse import unquote, urlsplit

from ib_data.cards.marks import Mark

# metric name, in cards and code -> description
METRICS = {
    "none": "nothing is scored",
    "accuracy": "the share of answers that equal the right one",
    "gqa-accuracy": "accuracy, with consistency and distribution of the answers beside it",
    "choice-accuracy": "the share of questions whose right option is chosen",
    "vqa-accuracy": "agreement with ten annotators, each left out once",
    "aokvqa-accuracy": "min(1, n / 3), where n of the ten direct answers equal the prediction",
    "ivqa-accuracy": "min(1, n / 2), where n of the five answers equal the prediction",
    "cider": "CIDEr-D over the references of each image or question",
    "bleu": "BLEU-4 of all captions together",
    "rouge-l": "ROUGE-L against the reference",
    "meteor": "METEOR 1.5, which needs Java",
    "spice": "SPICE, which needs Java",
    "exact-match": "the share of texts that equal a reference, without case and punctuation",
    "token-loss": "mean loss of the reference a token, in nats; lower is better",
    "mrr": "mean reciprocal rank of the right candidate",
    "roc-auc": "area under the ROC curve",
}

# Other spellings of image extensions.
_SPELLINGS = {"jpg": ("jpeg", "JPG", "JPEG"), "png": ("PNG",)}


@cache
def _fixed(layout: str) -> str:
    """The folders of a layout before the id, with the last slash."""
    folder, slash, _ = layout[: layout.index("{image_id")].rpartition("/")
    return folder + slash


@cache
def _name_pattern(layout: str) -> tuple[re.Pattern[str], int, str]:
    """The pattern of a file name without extension, its number of fixed-width numbers, and the extension."""
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
    """One official file. `None` means unknown. `member` is the file inside the archive that a builder reads.

    A `member` of the form FOLDER/**/NAME means all files of that name under the folder, each a JSON object. An
    `optional` file adds details; a `--source` with the other files may lack it. `marks` distinguish its rows from those
    of another split, version or dataset (see `marks.read_marks`).
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
        """HOST/PATH of the URL: the place of the file under `downloads` and under a mirror.

        The file's name is appended if the path does not end in it (shares that select files by the query).
        """
        path = place_of(self.url)
        return path if PurePosixPath(path).name == PurePosixPath(self.name).name else f"{path}/{self.name}"

    @property
    def tree(self) -> tuple[str, str] | None:
        """(folder, file name) if `member` means many files, else None."""
        folder, stars, name = (self.member or "").partition("/**/")
        return (folder, name) if stars else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaStore:
    """Images or clips that datasets share: an archive (`file`), or single files on the web (`each`).

    `layout` makes a member's name from an `image_id`, which may itself be a path. Stores of one `family` hold the same
    media under the same ids, except stores that are `part_of` one whole, which share nothing. `each` is the URL of a
    single image, made from `{image_id}`; `{url}` is the URL in the row. `parts`: the stores to search if the rows do
    not say which one holds an image. `extensions`: further extensions for loose files, since many copies of a clip are
    re-encoded.
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
        """The folders of the layout before the id, outermost first."""
        return PurePosixPath(_fixed(self.layout)).parts

    @property
    def is_numbered(self) -> bool:
        """Whether a file name alone identifies the store, as `COCO_val2014_000000000042.jpg` does."""
        return not PurePosixPath(self.layout).name.startswith("{image_id")

    def tail(self, image_id: int | str) -> str:
        """The member name from the id on: the path inside the official folder."""
        return self.member(image_id).removeprefix(_fixed(self.layout))

    def tails(self, image_id: int | str) -> tuple[str, ...]:
        """`tail` with each accepted extension, the official one first."""
        tail = self.tail(image_id)
        stem, dot, ending = tail.rpartition(".")
        if not dot or "/" in ending:
            return (tail,)
        others = (*_SPELLINGS.get(ending, ()), *self.extensions)
        return tuple(dict.fromkeys((tail, *(f"{stem}.{other}" for other in others))))

    def names(self, path: PurePath) -> bool:
        """Whether a loose file may belong to the store, by its name and, for ids without a fixed form, its folder."""
        pattern, num_fixed, extension = _name_pattern(self.layout)
        known = {f".{name}" for name in (extension, *_SPELLINGS.get(extension, ()), *self.extensions) if name}
        if path.suffix.lower() not in known or pattern.fullmatch(path.stem) is None:
            return False
        layout = PurePosixPath(self.layout)
        # A clip with such a name is rarely a coincidence; an image whose name is only an id may be.
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
    """What a person must do to get the files: an access request or a manual download."""

    kind: str
    where: str
    lay_down: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HubMirror:
    """A Hugging Face repository whose rows keep the official keys; `splits` maps our split names to its names."""

    id: str
    splits: dict[str, str]
