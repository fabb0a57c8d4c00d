"""Small official sources for tests of builds."""

import json
import zipfile
from pathlib import Path

from official import lay, photo, samples

RIGHT, WRONG = photo(200), photo(10)


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def put_zip(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as out:
        for name, data in members.items():
            out.writestr(name, data)
    return path


def gqa(folder: Path, *ids: str) -> Path:
    rows = {f"0{i}": {"imageId": i, "question": "Is it?", "answer": "yes", "isBalanced": True} for i in ids}
    lay(folder, "testdev_balanced_questions.json", rows)
    return folder


def images(home, name: str, split: str) -> dict[str, bytes]:
    return {sample.media.source_name: data for sample, data in samples(home, name, split)}


def vsr(folder: Path, *ids: int) -> Path:
    link = "http://images.cocodataset.org/train2017/{:012d}.jpg"
    rows = [{"image": f"{i:012d}.jpg", "image_link": link.format(i), "caption": "It is.", "label": 1} for i in ids]
    put(folder / "test.jsonl", "\n".join(map(json.dumps, rows)).encode())
    return folder
