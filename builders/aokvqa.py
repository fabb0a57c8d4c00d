"""A-OKVQA v1.0: a question with four choices, ten direct answers and three rationales, on COCO 2017 images."""

from collections.abc import Iterator

from ib_data.builders.source.files import Files
from ib_data.builders.source.lookups import index_of
from ib_data.builders.source.row import Drop, Row, clean, coco, count_answers, extra
from ib_data.sample import Annotation
from ib_data.strict import Table

FOLDERS = {"train": "train2017", "validation": "val2017", "test": "test2017"}


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per question. Equal choices are kept, so that `correct_choice_idx` stays valid."""
    for row in files.rows("annotations"):
        yield Row(coco(FOLDERS[files.split], row.get("image_id", int)), _annotation(row))


def _annotation(row: Table) -> Annotation:
    options = tuple(map(clean, row.texts("choices")))
    return Annotation(
        id=row.get("question_id", str),
        question=row.get("question", str).strip(),
        options=options,
        answer_index=index_of(row, "correct_choice_idx", len(options), "choices"),
        answers=count_answers(row.texts("direct_answers")),
        rationales=tuple(filter(None, map(clean, row.texts("rationales")))),
        extra=extra(difficult_direct_answer=row.get("difficult_direct_answer", bool, None)),
    )
