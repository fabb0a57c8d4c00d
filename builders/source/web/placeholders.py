"""Equal bytes under different URLs: usually one "no longer available" image that a host sends for many URLs.

Hosts send it with status 200, so that it would count as the image of every such caption. Images that were published
several times are equal too, so they are only reported, and dropped only on request.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ib_data.addresses import without_user
from ib_data.console import note
from ib_data.errors import one_line
from ib_data.file_state import sha256_of

REPEATED = "same bytes under many URLs"  # the reason of a drop
LEAST_URLS = 3  # URLs with the same image needed for a note
_TOLD = 3  # images per dataset that are named
_PROBE_BYTES = 64


@dataclass(frozen=True, slots=True)
class Repeated:
    """One image under many URLs, in their alphabetical order."""

    sha256: str
    urls: tuple[str, ...]


def find_repeated(files: Mapping[str, Path], least: int = LEAST_URLS) -> list[Repeated]:
    """The images that `least` or more URLs of `files` share, by their bytes, most URLs first.

    Hashes whole files only if size, middle and end are equal too, so that a million files cost a million small reads:
    30 s of one core from the page cache (AMD EPYC).
    """
    found = []
    for same_size in _groups(files, lambda url: files[url].stat().st_size, least):
        for alike in _groups(same_size, lambda url: _probe(files[url]), least):
            for urls in _groups(alike, lambda url: sha256_of(files[url]), least):
                found.append(Repeated(sha256_of(files[urls[0]]), tuple(sorted(urls))))
    return sorted(found, key=lambda one: (-len(one.urls), one.urls))


def tell_repeated(dataset: str, repeated: list[Repeated], num_files: int, remedy: str) -> None:
    """Print a note about the images with most URLs, ending in `remedy`."""
    for one in repeated[:_TOLD]:
        what = f"{len(one.urls):,} of {num_files:,} images that were fetched by URL are the same bytes"
        which = f"first {without_user(one.urls[0])} (sha256 {one.sha256})"
        note(one_line(f"{dataset}: {what}, {which}: a placeholder for deleted images? {remedy}"))
    if len(repeated) > _TOLD:
        num = sum(len(one.urls) for one in repeated[_TOLD:])
        note(f"{dataset}: {len(repeated) - _TOLD:,} more images are the same bytes under several URLs, {num:,} in all")


def _groups(urls: Iterable[str], key: Callable[[str], object], least: int) -> list[list[str]]:
    """Groups of `least` or more URLs with equal keys."""
    groups: dict[object, list[str]] = {}
    for url in urls:
        groups.setdefault(key(url), []).append(url)
    return [group for group in groups.values() if len(group) >= least]


def _probe(path: Path) -> bytes:
    """Some bytes from the middle and the end; the start depends only on camera and program."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        size = os.fstat(descriptor).st_size
        middle = os.pread(descriptor, _PROBE_BYTES, size // 2)
        return middle + os.pread(descriptor, _PROBE_BYTES, max(0, size - _PROBE_BYTES))
    finally:
        os.close(descriptor)
