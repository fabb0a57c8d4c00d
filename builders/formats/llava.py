"""LLaVA-Instruct-150K: conversations about COCO images; every turn becomes an annotation with its history."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row
from ib_data.cards import load_card
from ib_data.sample import Annotation, Answer, Turn
from ib_data.strict import Table

CONVERSATION, DETAIL, REASONING = "conversations", "descriptions", "answers with reasons"  # the three parts
_FEW, _MANY = 10, 50  # numbers of records from which the two checks of `_check_part` are reliable
SPEAKERS = ["human", "gpt"]
# The marker with the line break between it and the text; a break on its other side belongs to the text.
_MARKER = re.compile(r"<image>\r?\n|(?:\r?\n)?<image>")
_IMAGE = re.compile(r"(?:COCO_[a-z]+\d{4}_)?(\d{12})\.jpg")


def turn_rows(files: Files, part: str) -> Iterator[Row | Drop]:
    """One row per turn, `RECORD-0` being the first of a record. Texts are unchanged except for the marker `<image>`.

    The id of a record is the id of its image; turns of a second record on the same image are `RECORD.2-0` and so on.
    Raises DataError for records of another part of the dataset; prints a note if that is only likely.
    """
    seen: Counter[str] = Counter()
    records = files.rows("annotations")
    _check_part(files, part, records)
    (store,) = load_card(files.dataset).media
    for record in records:
        record_id = record.get("id", str)
        seen[record_id] += 1
        number = seen[record_id]
        yield from _turns(record, record_id if number == 1 else f"{record_id}.{number}", store)


def _check_part(files: Files, part: str, records: list[Table]) -> None:
    """Check that the records are of `part`. The parts have one file format, but only conversations have several rounds,
    and all descriptions share a few questions.
    """
    several = sum(len(record.get("conversations", list)) > len(SPEAKERS) for record in records)
    is_conversation = part == CONVERSATION
    if (several * 2 > len(records)) if not is_conversation else (not several and len(records) >= _FEW):
        found = f"{several:,} of {len(records):,} records have several rounds"
        raise files.wrong_file("annotations", f"expected {part}, found other records: {found}")
    if is_conversation and records and not several:
        _doubt(files, "no record has several rounds")
    if is_conversation or len(records) < _MANY:
        return
    num_first = len({_text(said[0]) for record in records if (said := record.tables("conversations"))})
    if (num_first * 2 > len(records)) == (part == DETAIL):
        found = f"{num_first:,} different first questions in {len(records):,} records are unlike {part}"
        _doubt(files, found)


def _doubt(files: Files, problem: str) -> None:
    files.doubt("annotations", str(files.wrong_file("annotations", problem)))


def _turns(record: Table, name: str, store: str) -> Iterator[Row | Drop]:
    media = _image(record, store)
    record.get("conversations", list)
    said = record.tables("conversations")
    if not said:
        yield Drop(name, "no conversation")
    history: list[Turn] = []
    is_whole = True  # until a turn is faulty: later turns would have a wrong history
    for start in range(0, len(said), 2):
        row_id, pair = f"{name}-{start // 2}", said[start : start + 2]
        texts = [_text(half) for half in pair]
        if not is_whole:
            yield Drop(row_id, "after a faulty turn")
        elif [half.values["from"] for half in pair] != SPEAKERS:
            is_whole = False
            yield Drop(row_id, "no pair of human and gpt")
        elif not all(text.strip() for text in texts):
            is_whole = False
            yield Drop(row_id, "empty turn")
        else:
            question, answer = texts
            answers = (Answer(answer, 1),)
            yield Row(media, Annotation(id=row_id, question=question, answers=answers, history=tuple(history)))
            history.append(Turn(question, answer))


def _text(half: Table) -> str:
    """The exact text of a turn, without the image marker if it is a human's."""
    text = half.get("value", str)
    return _MARKER.sub("", text) if half.get("from", str) == SPEAKERS[0] else text


def _image(record: Table, store: str) -> MediaRef:
    image = record.get("image", str)
    match = _IMAGE.fullmatch(PurePosixPath(image).name)
    if match is None:
        raise record.error(f"'image': expected the name of a COCO image such as 000000100002.jpg, found {image!r}")
    return MediaRef(store, int(match[1]))
