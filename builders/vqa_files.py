"""The file pair of the VQA family: questions in one file, ten answers to each in another, on COCO images."""

from collections.abc import Iterator

from ib_data.builders.files import Files
from ib_data.builders.rows import Drop, Row, coco, count_answers, extra
from ib_data.sample import Annotation
from ib_data.strict import Table

# Keys of an answer record that are kept, when the file has them (subsets leave some out).
_KEPT = ("question_type", "answer_type", "multiple_choice_answer")


def question_rows(files: Files, folder: str) -> Iterator[Row | Drop]:
    """A row a question of the split, on images of the COCO folder `folder`.

    A question without an answer record is a drop. A split without an answers file has hidden answers.
    """
    hidden = "answers" not in files.located
    records = {} if hidden else _answer_records(files, folder)
    questions = files.rows("questions", "questions", data_subtype=folder)
    if questions and not hidden and not any(q.get("question_id", int) in records for q in questions):
        raise files.wrong_file("answers", f"no question of {files.name('questions')} has an answer record here")
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
        # OK-VQA stems its answers and keeps what was typed; both matter (evaluation compares stems).
        extra=extra(**kept, raw_answers=[{"text": a.text, "count": a.count} for a in raw if raw != answers]),
    )


def _answer_records(files: Files, folder: str) -> dict[int, Table]:
    records: dict[int, Table] = {}
    for record in files.rows("answers", "annotations", data_subtype=folder):
        question_id = record.get("question_id", int)
        if question_id in records:
            raise record.error(f"question_id {question_id} stands twice", "fetch the official file again")
        records[question_id] = record
    return records
