"""Writing the miniature as a mirror of the official files, at FOLDER/HOST/PATH of every official URL."""

import json
import shutil
import zipfile
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from filelock import FileLock

from ib_data.builders.miniature import clips, described, knowledge, school, signs
from ib_data.builders.miniature import coco_caption as captions
from ib_data.builders.miniature import gqa as graphs
from ib_data.builders.miniature import hateful_memes as memes
from ib_data.builders.miniature import llava as instructions
from ib_data.builders.miniature import ocrvqa as covers
from ib_data.builders.miniature import visdial as dialogs
from ib_data.builders.miniature import vizwiz as snapshots
from ib_data.builders.miniature import vqav2 as questions
from ib_data.builders.miniature import vsr as spatial
from ib_data.builders.miniature import web_capfilt as links
from ib_data.builders.miniature.world.archives import add_member, write_archive
from ib_data.builders.miniature.world.photos import draw
from ib_data.builders.miniature.world.population import Population
from ib_data.cards import Card, MediaStore, SourceFile, load_card, media_stores, place_of
from ib_data.file_state import sha256_of
from ib_data.media.frames import has_pyav
from ib_data.replacing import new_folder

# Raised by every change to the miniature's bytes, so that a mirror of an older version is written anew.
VERSION = 5
RECORD = "miniature.json"
# Dataset -> the members of one of its official files.
DATASETS: dict[str, Callable[[Population, Card, SourceFile], dict[str, bytes]]] = {
    "coco_caption": captions.members,
    "vqav2": questions.members,
    "okvqa": knowledge.okvqa_members,
    "aokvqa": knowledge.aokvqa_members,
    "vsr": spatial.members,
    "nocaps": described.nocaps_members,
    "flickr30k": described.flickr30k_members,
    "iconqa": school.iconqa_members,
    "scienceqa": school.scienceqa_members,
    "llava_conversation": instructions.members,
    "llava_detail": instructions.members,
    "llava_reasoning": instructions.members,
    "gqa": graphs.members,
    "vizwiz": snapshots.members,
    "visdial": dialogs.members,
    "hateful_memes": memes.members,
    "textcaps": signs.textcaps_members,
    "textvqa": signs.textvqa_members,
    "ocrvqa": covers.members,
    "web_capfilt": links.members,
    "msvd_qa": clips.msvd_members,
    "msrvtt_qa": clips.msrvtt_members,
    "ivqa": clips.ivqa_members,
}
# Media store -> (member name, bytes) of its archive, or (URL, bytes) of single files; COCO's photos are drawn below.
MEDIA: dict[str, Callable[[Population], Iterable[tuple[str, bytes]]]] = {
    "openimages_nocaps": described.nocaps_photos,
    "flickr30k_images": described.flickr30k_photos,
    **school.ICONQA_PICTURES,
    **school.SCIENCEQA_PICTURES,
    "gqa_images": graphs.photos,
    **{store: partial(snapshots.photos, split) for split, store in snapshots.STORES.items()},
    **{store: partial(dialogs.photos, split) for split, store in dialogs.STORES.items()},
    "hateful_memes_images": memes.pictures,
    **signs.PHOTOS,
    "ocrvqa_covers": covers.pictures,
    "web_capfilt_images": links.pictures,
    "msvd_videos": clips.msvd_clips,
    "msrvtt_videos": clips.msrvtt_clips,
    "ivqa_clips": clips.ivqa_clips,
}


def write_mirror(folder: Path, *, seed: int = 0, num_images: int = 40) -> dict[str, str]:
    """The SHA-256 of every file of the mirror in `folder`, by official URL; writes the mirror unless it is there.

    `num_images` is the number of photos in COCO's train2014; the other archives have fewer, in proportion. The bytes
    depend on `seed` and `num_images` alone, those of photos and clips also on the version of their encoders. `folder`
    gets its name when all is written, and what lay there under another seed, size or version is replaced. Raises
    ValueError for fewer than one photo, or more than six digits can number.
    """
    if num_images < 1:
        raise ValueError(f"num_images: expected at least 1, found {num_images}")
    recipe = {"version": VERSION, "seed": seed, "num_images": num_images}
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_name(f"{folder.name}.lock")):
        checksums = _recorded(folder, recipe)
        if checksums is None:
            with new_folder(folder, sync=False) as part:
                checksums = _write(part, Population(seed=seed, num_images=num_images))
                sizes = {file.place: (part / file.place).stat().st_size for file in official_files()}
                record = {"recipe": recipe, "sha256": checksums, "num_bytes": sizes}
                (part / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
                shutil.rmtree(folder, ignore_errors=True)
    return checksums


def official_files() -> list[SourceFile]:
    """Every file that the miniature mirrors, archives of media included, as the cards name them (once a member).

    Of a store whose media are fetched one by one, the single files are mirrored and not its archive. Clips are left out
    where nothing here can make them.
    """
    cards = [load_card(name) for name in DATASETS]
    stores = [media_stores()[name] for name in dict.fromkeys(store for card in cards for store in card.media)]
    return [file for card in cards for file in card.files] + [
        store.file for store in stores if store.file and not store.each and _is_made(store)
    ]


def _is_made(store: MediaStore) -> bool:
    return store.kind == "image" or has_pyav()


def _recorded(folder: Path, recipe: dict[str, int]) -> dict[str, str] | None:
    """The checksums beside a whole mirror of this recipe, None where there is no such mirror."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        checksums: dict[str, str] = record["sha256"]
        is_whole = (
            record["recipe"] == recipe
            and set(checksums) == {file.url for file in official_files()}
            and all((folder / place).stat().st_size == size for place, size in record["num_bytes"].items())
        )
    except (OSError, ValueError, KeyError, TypeError):  # a damaged record says the same as none: write it anew
        return None
    return checksums if is_whole else None


def _write(folder: Path, population: Population) -> dict[str, str]:
    files = {file.url: file for file in official_files()}
    contents: dict[str, dict[str, bytes]] = {}
    for dataset, members in DATASETS.items():
        card = load_card(dataset)
        for file in card.files:
            contents.setdefault(file.url, {}).update(members(population, card, file))
    for name, media in MEDIA.items():
        store = media_stores()[name]
        if not _is_made(store):
            continue
        if store.file and not store.each:
            contents.setdefault(store.file.url, {}).update(media(population))
        else:
            for url, data in media(population):
                _create(folder / place_of(url)).write_bytes(data)
    for url, content in contents.items():
        with _create(folder / files[url].place).open("wb") as out:
            write_archive(files[url].name, content, out)
    _write_photos(folder, population)
    return {url: sha256_of(folder / file.place) for url, file in files.items()}


def _write_photos(folder: Path, population: Population) -> None:
    """COCO's archives in one pass over the photos: each is drawn once, however many archives hold it."""
    stores = [media_stores()[name] for name in population.stores]
    holders: dict[int, list[int]] = {}
    for number, ids in enumerate(population.stores.values()):
        for image_id in ids:
            holders.setdefault(image_id, []).append(number)
    with ExitStack() as stack:
        places = [folder / store.file.place for store in stores if store.file]
        archives = [stack.enter_context(zipfile.ZipFile(_create(place), "w")) for place in places]
        for image_id in sorted(holders):
            photo = draw(population.scene(image_id))
            for number in holders[image_id]:
                add_member(archives[number], stores[number].member(image_id), photo)


def _create(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
