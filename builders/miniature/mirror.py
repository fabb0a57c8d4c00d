"""Drawing the miniature as a mirror of the official files, at FOLDER/HOST/PATH of every official URL.

Draws only what is requested: the files of some datasets, and the archives and single files of their images and clips.
Later calls add missing files. A file counts once it is in the record, which is written last.
"""

import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock

from ib_data.builders.miniature import (
    aokvqa,
    coco_caption,
    flickr30k,
    gqa,
    hateful_memes,
    iconqa,
    ivqa,
    llava,
    msrvtt_qa,
    msvd_qa,
    nocaps,
    ocrvqa,
    okvqa,
    scienceqa,
    textcaps,
    textvqa,
    visdial,
    vizwiz,
    vqav2,
    vsr,
    web_capfilt,
)
from ib_data.builders.miniature.world.archives import add_member, write_archive
from ib_data.builders.miniature.world.images import draw
from ib_data.builders.miniature.world.population import Population
from ib_data.cards import Card, MediaStore, SourceFile, load_card, media_stores, place_of
from ib_data.errors import IbDataError
from ib_data.file_state import sha256_of
from ib_data.media.frames import has_pyav

# Increased with every change to the miniature's bytes, so that older mirrors are drawn again.
VERSION = 6
RECORD = "miniature.json"
_MOST_NAMED = 3
_QUICK = 1000  # images whose annotations are written in a second
# Dataset -> the members of one of its official files. Members of one archive are in this order.
DATASETS: dict[str, Callable[[Population, Card, SourceFile], dict[str, bytes]]] = {
    "coco_caption": coco_caption.members,
    "vqav2": vqav2.members,
    "okvqa": okvqa.members,
    "aokvqa": aokvqa.members,
    "vsr": vsr.members,
    "nocaps": nocaps.members,
    "flickr30k": flickr30k.members,
    "iconqa": iconqa.members,
    "scienceqa": scienceqa.members,
    "llava_conversation": llava.members,
    "llava_detail": llava.members,
    "llava_reasoning": llava.members,
    "gqa": gqa.members,
    "vizwiz": vizwiz.members,
    "visdial": visdial.members,
    "hateful_memes": hateful_memes.members,
    "textcaps": textcaps.members,
    "textvqa": textvqa.members,
    "ocrvqa": ocrvqa.members,
    "web_capfilt": web_capfilt.members,
    "msvd_qa": msvd_qa.members,
    "msrvtt_qa": msrvtt_qa.members,
    "ivqa": ivqa.members,
}
# Media store -> (member name, bytes) of its archive, or (URL, bytes) of single files; COCO's images are drawn below.
MEDIA: dict[str, Callable[[Population], Iterable[tuple[str, bytes]]]] = {
    **nocaps.MEDIA,
    **flickr30k.MEDIA,
    **iconqa.MEDIA,
    **scienceqa.MEDIA,
    **gqa.MEDIA,
    **vizwiz.MEDIA,
    **visdial.MEDIA,
    **hateful_memes.MEDIA,
    **textvqa.MEDIA,
    **ocrvqa.MEDIA,
    **web_capfilt.MEDIA,
    **msvd_qa.MEDIA,
    **msrvtt_qa.MEDIA,
    **ivqa.MEDIA,
}


@dataclass(frozen=True, slots=True)
class _Record:
    """The contents of a mirror: the files by URL, and the stores whose single files are complete."""

    recipe: dict[str, int]
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    stores: list[str] = field(default_factory=list)


def write_mirror(
    folder: Path,
    *,
    seed: int = 0,
    num_images: int = 40,
    datasets: Iterable[str] | None = None,
    with_media: bool = True,
    tell: Callable[[str], None] = lambda _line: None,
) -> dict[str, str]:
    """Draw the missing files of `datasets` into `folder`; returns the SHA-256 of every file there, by official URL.

    `datasets` None means all; without `with_media`, only annotation files. `num_images` is the number of images in
    COCO's train2014; the other archives have proportionally fewer. The bytes depend only on `seed` and `num_images`;
    those of images and clips also on the version of their encoders. Files of another seed, size or version are
    replaced. `tell` is called with a line before slow steps. Raises ValueError if `num_images` is below 1 or needs ids
    beyond six digits, and IbDataError for a dataset without a miniature.
    """
    if num_images < 1:
        raise ValueError(f"num_images: expected at least 1, found {num_images}")
    names = tuple(DATASETS) if datasets is None else tuple(datasets)
    for name in names:
        require_writer(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        record = _read(folder, {"version": VERSION, "seed": seed, "num_images": num_images})
        stores = _stores(names) if with_media else []
        files = {file.url: file for file in _files(names, stores) if file.url not in record.files}
        singles = [store for store in stores if store.each and store.name not in record.stores]
        if files or singles:
            if num_images > _QUICK or any(s in singles or (s.file and s.file.url in files) for s in stores):
                of = ", ".join(names) if len(names) <= _MOST_NAMED else f"{len(names)} datasets"
                tell(f"drawing the miniature: {len(files) + len(singles)} official files of {of}")
            is_new = not record.files and not record.stores
            part = folder.with_name(f"{folder.name}.part")
            shutil.rmtree(part, ignore_errors=True)
            _draw(part, Population(seed=seed, num_images=num_images), files, singles)
            record.files.update({url: _entry(part, file.place) for url, file in files.items()})
            record.stores.extend(store.name for store in singles)
            (part / RECORD).write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
            if is_new:
                shutil.rmtree(folder, ignore_errors=True)
            _move(part, folder)
    return {url: entry["sha256"] for url, entry in record.files.items()}


def require_writer(dataset: str) -> None:
    """Raise IbDataError for a dataset that is not part of the miniature."""
    if dataset not in DATASETS:
        raise IbDataError(f"{dataset} has no miniature writer; build it from its own files with --source")


def _files(datasets: Iterable[str], stores: list[MediaStore]) -> list[SourceFile]:
    files = [file for name in datasets for file in load_card(name).files]
    return files + [store.file for store in stores if store.file and not store.each]


def _stores(datasets: Iterable[str]) -> list[MediaStore]:
    """The stores that hold the media of some datasets, each once."""
    named = (media_stores()[name] for dataset in datasets for name in load_card(dataset).media)
    whole = dict.fromkeys(part for store in named for part in store.parts or (store.name,))
    return [store for store in map(media_stores().__getitem__, whole) if store.kind == "image" or has_pyav()]


def _read(folder: Path, recipe: dict[str, int]) -> _Record:
    """The record of the mirror in `folder`, without missing and cut files; empty for another recipe."""
    try:
        record = _Record(**json.loads((folder / RECORD).read_text(encoding="utf-8")))
        if record.recipe == recipe:
            whole = {url: entry for url, entry in record.files.items() if _is_whole(folder, entry)}
            return _Record(recipe, whole, list(record.stores))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return _Record(recipe)  # missing or damaged: everything is drawn again
    return _Record(recipe)


def _is_whole(folder: Path, entry: dict[str, Any]) -> bool:
    path: Path = folder / entry["place"]
    return path.is_file() and bool(path.stat().st_size == entry["num_bytes"])


def _entry(folder: Path, place: str) -> dict[str, Any]:
    path = folder / place
    return {"place": place, "sha256": sha256_of(path), "num_bytes": path.stat().st_size}


def _draw(folder: Path, population: Population, files: dict[str, SourceFile], singles: list[MediaStore]) -> None:
    """Write these official files, and the single files of these stores."""
    coco = [name for name in population.stores if (file := media_stores()[name].file) and file.url in files]
    of_coco = {file.url for name in coco if (file := media_stores()[name].file)}
    for url, file in files.items():
        if url not in of_coco:
            with _create(folder / file.place).open("wb") as out:
                write_archive(file.name, dict(_members(population, url)), out)
    for store in singles:
        for url, data in MEDIA[store.name](population):
            _create(folder / place_of(url)).write_bytes(data)
    _draw_coco(folder, population, coco)


def _members(population: Population, url: str) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of all members of one official file; several datasets and media stores may contribute."""
    for dataset, members in DATASETS.items():
        card = load_card(dataset)
        for file in card.files:
            if file.url == url:
                yield from members(population, card, file).items()
    for name, media in MEDIA.items():
        store = media_stores()[name]
        if store.file and store.file.url == url and not store.each:
            yield from media(population)


def _draw_coco(folder: Path, population: Population, names: list[str]) -> None:
    """Write COCO's archives in one pass, so that each image is drawn once, however many archives hold it."""
    stores = [media_stores()[name] for name in names]
    holders: dict[int, list[int]] = {}
    for number, name in enumerate(names):
        for image_id in population.stores[name]:
            holders.setdefault(image_id, []).append(number)
    with ExitStack() as stack:
        places = [folder / store.file.place for store in stores if store.file]
        archives = [stack.enter_context(zipfile.ZipFile(_create(place), "w")) for place in places]
        for image_id in sorted(holders):
            image = draw(population.scene(image_id))
            for number in holders[image_id]:
                add_member(archives[number], stores[number].member(image_id), image)


def _move(part: Path, folder: Path) -> None:
    """Move the drawn files into the mirror, then the record."""
    drawn = [path for path in part.rglob("*") if path.is_file() and path != part / RECORD]
    for path in (*drawn, part / RECORD):
        path.replace(_create(folder / path.relative_to(part)))
    shutil.rmtree(part)


def _create(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
