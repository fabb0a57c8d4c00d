"""One image under many URLs is counted and reported."""

import hashlib
from pathlib import Path

from ib_data.builders.source.web import placeholders
from ib_data.builders.source.web.placeholders import find_repeated, tell_repeated


def lay(folder: Path, contents: dict[str, bytes]) -> dict[str, Path]:
    files = {}
    for url, data in contents.items():
        path = folder / hashlib.sha256(url.encode()).hexdigest()
        path.write_bytes(data)
        files[url] = path
    return files


GONE, LOGO = b"no longer available" * 100, b"logo"


def test_repeated_images_are_found_most_urls_first(tmp_path: Path) -> None:
    photos = {f"http://a/{i}.jpg": bytes([i]) * 1900 for i in range(4)}
    near = {f"http://b/{i}.jpg": bytes([i]) + GONE[1:] for i in range(3)}  # of the same size, middle and end
    gone = {f"http://c/{i}.jpg": GONE for i in range(5)}
    logo = {f"http://d/{i}.jpg": LOGO for i in range(3)}
    twice = {f"http://e/{i}.jpg": b"twice" for i in range(2)}
    files = lay(tmp_path, {**photos, **near, **logo, **gone, **twice})
    found = find_repeated(files)
    assert [(one.sha256, one.urls) for one in found] == [
        (hashlib.sha256(GONE).hexdigest(), tuple(gone)),
        (hashlib.sha256(LOGO).hexdigest(), tuple(logo)),
    ]
    assert [len(one.urls) for one in find_repeated(files, 4)] == [5]
    assert [len(one.urls) for one in find_repeated(files, 2)] == [5, 3, 2]
    assert find_repeated({}) == []


def test_only_possibly_equal_files_are_hashed(tmp_path: Path, monkeypatch) -> None:
    hashed: list[Path] = []
    sha256_of = placeholders.sha256_of
    monkeypatch.setattr(placeholders, "sha256_of", lambda path: hashed.append(path) or sha256_of(path))
    same_size = {f"http://a/{i}.jpg": bytes([i]) * 2000 for i in range(50)}
    files = lay(tmp_path, {**same_size, **{f"http://b/{i}.jpg": LOGO * 500 for i in range(3)}})
    assert len(find_repeated(files)) == 1
    assert {path.read_bytes() for path in hashed} == {LOGO * 500}


def test_repeated_images_are_named_with_a_remedy(tmp_path: Path, capsys) -> None:
    files = lay(tmp_path, {f"http://me:secret@c/{i}.jpg": GONE for i in range(5)})
    files |= lay(tmp_path, {f"http://{k}/{i}": bytes([k]) for k in range(1, 5) for i in range(3)})
    tell_repeated("web_capfilt", find_repeated(files), 20, "drop them with --drop-repeated N")
    first, *others = capsys.readouterr().err.splitlines()
    assert first == (
        "web_capfilt: 5 of 20 images that were fetched by URL are the same bytes, first http://c/0.jpg (sha256 "
        f"{hashlib.sha256(GONE).hexdigest()}): a placeholder for deleted images? drop them with --drop-repeated N"
    )
    assert others[-1] == "web_capfilt: 2 more images are the same bytes under several URLs, 6 in all"
    assert len(others) == 3
