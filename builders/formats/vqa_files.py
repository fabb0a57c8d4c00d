"""The file pair of the VQA family: questions in one file, ten answers to each in another, on COCO images."""

from collections.abc import Iterator

from ib_data.builders.source.files import Files
from ib_data.builders.source.lookups import by_key
from ib_data.builders.source.row import Drop, Row, coco, count_answers, extra
from ib_data.cards import load_card
from ib_data.sample import Annotation
from ib_data.strict import Table

_FEW = 10  # with fewer questions, odd ids are only worth a note
# Keys of an answer record that are kept, when the file has them (subsets leave some out).
_KEPT = ("question_type", "answer_type", "multiple_choice_answer")


def question_rows(
    files: Files, *, ids_per_image: int | None = None, has_raw_answers: bool = False
) -> Iterator[Row | Drop]:
    """One row per question of the split, on images of the COCO folder that the split is named after.

    A question without an answer record is a drop. A split without an answers file has hidden answers. Datasets of the
    family use the same file names, so two checks detect a wrong file with DataError: some `question_id` must be
    `image_id` times `ids_per_image` plus a smaller number (only a note if some fit or there are few questions), and
    with `has_raw_answers` some answer must have one.
    """
    folder = load_card(files.dataset).splits[files.split].source_name
    hidden = "answers" not in files.located
    records = {} if hidden else _answer_records(files, folder)
    if has_raw_answers and records and not any(map(_has_raw_answer, records.values())):
        raise files.wrong_file("answers", "no answer has a 'raw_answer', as those of VQA v1 and v2 have none")
    questions = files.rows("questions", "questions", data_subtype=folder)
    if questions and not hidden and not any(q.get("question_id", int) in records for q in questions):
        raise files.wrong_file("answers", f"no question of {files.name('questions')} has an answer record here")
    if ids_per_image:
        _check_ids(files, questions, ids_per_image)
    for question in questions:
        question_id = question.get("question_id", int)
        record = records.get(question_id)
        if record is None and not hidden:
            yield Drop(str(question_id), "question without annotation")
            continue
        image_id = question.get("image_id", int)
        if record and record.get("image_id", int, image_id) != image_id:
            raise record.error(f"image_id differs from that of question {question_id}, {image_id}", "fetch both again")
        yield Row(coco(folder, image_id), _annotation(question, question_id, record))


def _check_ids(files: Files, questions: list[Table], ids_per_image: int) -> None:
    strange = sum(q.get("question_id", int) // ids_per_image != q.get("image_id", int) for q in questions)
    if not strange:
        return
    found = f"{strange:,} of {len(questions):,} question ids are not {ids_per_image:,} times the image_id plus a rest"
    error = files.wrong_file("questions", found)
    if strange == len(questions) >= _FEW:
        raise error
    files.doubt("questions", str(error))


def _has_raw_answer(record: Table) -> bool:
    return any("raw_answer" in answer.values for answer in record.tables("answers"))


def _annotation(question: Table, question_id: int, record: Table | None) -> Annotation:
    text = question.get("question", str).strip()
    if record is None:
        return Annotation(id=str(question_id), question=text)
    given = record.tables("answers")
    raw = count_answers(answer.get("raw_answer", str, "") for answer in given)
    answers = count_answers(answer.get("answer", str) for answer in given)
    kept = {key: record.get(key, str, None) for key in _KEPT}
    return Annotation(
        id=str(question_id),
        question=text,
        answers=answers,
        # OK-VQA has answers stemmed and as typed; both are needed (evaluation compares stems).
        extra=extra(**kept, raw_answers=[{"text": a.text, "count": a.count} for a in raw if raw != answers]),
    )


def _answer_records(files: Files, folder: str) -> dict[int, Table]:
    records = files.rows("answers", "annotations", data_subtype=folder)
    return by_key(records, lambda record: record.get("question_id", int), lambda key: f"question_id {key}")
