"""Small official files in the published formats, drawn images, and builds of them."""

import io
import json
from pathlib import Path

import pyarrow.parquet as pq
from PIL import Image

from ib_data.builders.source.folders import SourceFolders
from ib_data.builders.source.web.fetcher import Fetcher
from ib_data.builders.write.build import build_dataset
from ib_data.builders.write.build_context import Build
from ib_data.builders.write.build_options import Options
from ib_data.cards import load_card
from ib_data.stored.built_split import open_built


def photo(shade: int = 120, size: tuple[int, int] = (64, 48)) -> bytes:
    """A JPEG of one colour."""
    out = io.BytesIO()
    Image.new("RGB", size, (shade, 255 - shade, 60)).save(out, "JPEG")
    return out.getvalue()


def lay(folder: Path, name: str, value: object) -> Path:
    """Write a JSON value under an official name."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def vqa_answer(text: str, number: int = 1) -> dict[str, object]:
    return {"answer": text, "answer_confidence": "yes", "answer_id": number}


def lay_vqav2(folder: Path, num_images: int = 3, photos: bool = True) -> Path:
    """VQAv2 train: two questions on each of `num_images` images."""
    questions, annotations = [], []
    for image in range(1, num_images + 1):
        for turn in range(2):
            question_id = image * 1000 + turn
            questions.append(
                {"image_id": image, "question": f"Question {turn} of {image}?", "question_id": question_id}
            )
            answers = [vqa_answer(text, i) for i, text in enumerate(["red"] * 6 + ["dark red"] * 4, 1)]
            annotations.append({"question_id": question_id, "image_id": image, "answers": answers})
        if photos:
            path = folder / "train2014" / f"COCO_train2014_{image:012d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(photo(image % 250))
    lay(folder, "v2_OpenEnded_mscoco_train2014_questions.json", {"questions": questions, "data_subtype": "train2014"})
    lay(folder, "v2_mscoco_train2014_annotations.json", {"annotations": annotations, "data_subtype": "train2014"})
    return folder


def build(home, folder: Path, name: str = "vqav2", split: str | None = None, **options):
    job = Build(
        home=home,
        fetcher=Fetcher(downloads=home.downloads, mirror="file:///nowhere"),
        folders=SourceFolders((folder,)),
        options=Options(**options),
    )
    return build_dataset(load_card(name), job, split)


def samples(home, name: str, split: str) -> list:
    built = open_built(home, name, split)
    return [built.read(ref) for ref in built.refs()]


def drops(home, name: str, split: str) -> list[tuple[str, str]]:
    rows = pq.read_table(home.split(name, split) / "drops.parquet").to_pylist()
    return [(row["source_id"], row["reason"]) for row in rows]
