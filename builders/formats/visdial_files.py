"""The files of Visual Dialog: two tables of texts that rounds point into, and the relevance of some candidates."""

from dataclasses import dataclass

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import clean
from ib_data.sample import Turn
from ib_data.strict import Table

NUM_CANDIDATES = 100


@dataclass(frozen=True, slots=True)
class Dialogs:
    """The dialogues of a split, with every text that they point to."""

    tables: list[Table]
    questions: list[str]
    answers: list[str]

    def turns(self, dialog: Table, last_is_hidden: bool) -> tuple[Turn, ...]:
        """The rounds of a dialogue in words. A hidden last answer is empty where the file does not give it."""
        dialog.get("dialog", list)
        rounds = dialog.tables("dialog")
        found = []
        for row in rounds:
            is_hidden = last_is_hidden and row is rounds[-1] and "answer" not in row.values
            question = _text(row, "question", row.get("question", int), self.questions)
            answer = "" if is_hidden else _text(row, "answer", row.get("answer", int), self.answers)
            found.append(Turn(question, answer))
        return tuple(found)

    def candidates(self, row: Table) -> tuple[str, ...]:
        """The 100 candidate answers of a round; DataError for another number of them."""
        places = row.get("answer_options", list)
        if len(places) != NUM_CANDIDATES:
            raise row.error(f"expected {NUM_CANDIDATES} answer_options, found {len(places)}")
        return tuple(_text(row, "answer_options", place, self.answers) for place in places)

    def right_place(self, row: Table) -> int | None:
        """The place of the right candidate, None where the file does not give it."""
        index: int | None = row.get("gt_index", int, None)
        if index is not None and not 0 <= index < NUM_CANDIDATES:
            raise row.error(f"gt_index {index} is none of the {NUM_CANDIDATES} candidates")
        return index


def read_dialogs(files: Files) -> Dialogs:
    """The dialogues in the file of a split."""
    top = files.table("annotations")
    data = top.table("data")
    for key in ("questions", "answers", "dialogs"):
        data.get(key, list)
    questions, answers = (list(map(clean, data.texts(key))) for key in ("questions", "answers"))
    return Dialogs(data.tables("dialogs"), questions, answers)


def read_relevance(files: Files, dialogs: Dialogs) -> dict[tuple[int, int], list[float]]:
    """(image id, round) -> the relevance of each candidate, from 0 to 1; empty without the file of it.

    DataError for values of a round that `dialogs` do not have.
    """
    if "relevance" not in files.located:
        return {}
    found: dict[tuple[int, int], list[float]] = {}
    rounds = {d.get("image_id", int): len(d.tables("dialog")) for d in dialogs.tables}
    rows = files.rows("relevance")
    if rounds and not any(row.get("image_id", int) in rounds for row in rows):
        raise files.wrong_file("relevance", f"no image of {files.name('annotations')} stands here")
    for row in rows:
        key = (row.get("image_id", int), row.get("round_id", int))
        if not 1 <= key[1] <= rounds.get(key[0], 0):
            problem = f"image {key[0]} has no round {key[1]} in {files.name('annotations')}"
            raise row.error(problem, "fetch both files again")
        values = row.get("gt_relevance", list)
        if len(values) != NUM_CANDIDATES or not all(map(_is_share, values)):
            raise row.error(f"'gt_relevance': expected {NUM_CANDIDATES} numbers from 0 to 1")
        if key in found:
            raise row.error(f"round {key[1]} of image {key[0]} stands twice", "fetch the official file again")
        found[key] = [float(value) for value in values]
    return found


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1


def _text(row: Table, key: str, place: object, texts: list[str]) -> str:
    if not isinstance(place, int) or isinstance(place, bool) or not 0 <= place < len(texts):
        raise row.error(
            f"{key!r}: {place!r} is none of the {len(texts):,} texts", "the file is not whole: fetch it again"
        )
    return texts[place]
