"""Visual Dialog v1.0: rounds of questions about an image, each with the rounds before it and 100 candidate answers."""

from collections.abc import Iterator, Sequence

from ib_data.builders.source.files import Files
from ib_data.builders.source.lookups import by_key, index_of, require_common, text_at
from ib_data.builders.source.row import Drop, MediaRef, Row, clean, count_answers, extra
from ib_data.sample import Annotation, Turn
from ib_data.strict import Table

STORES = {"train": "coco_trainval2014", "validation": "visdial_val2018", "test": "visdial_test2018"}
NUM_CANDIDATES = 100


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per round, `IMAGEID-ROUND`; for the test split only the last round, whose answer is hidden."""
    data, is_test = files.table("annotations").table("data"), files.split == "test"
    for key in ("questions", "answers", "dialogs"):
        data.get(key, list)
    questions, answers = (list(map(clean, data.texts(key))) for key in ("questions", "answers"))
    relevance = _relevance(files, data.tables("dialogs"))
    for dialog in data.tables("dialogs"):
        image_id, _ = dialog.get("image_id", int), dialog.get("dialog", list)
        rounds = dialog.tables("dialog")
        turns = [_turn(row, is_test and row is rounds[-1], questions, answers) for row in rounds]
        if not turns:
            yield Drop(str(image_id), "no round")
        for number, row in enumerate(rounds, 1):
            if not is_test or number == len(turns):
                values = relevance.get((image_id, number))
                found = _annotation(dialog, row, f"{image_id}-{number}", turns[:number], answers, values)
                yield found if isinstance(found, Drop) else Row(MediaRef(STORES[files.split], image_id), found)


def _turn(row: Table, may_hide: bool, questions: Sequence[str], answers: Sequence[str]) -> Turn:
    """Question and answer of a round as texts; a hidden answer is empty."""
    question = text_at(row, "question", row.get("question", int), questions)
    if may_hide and "answer" not in row.values:
        return Turn(question, "")
    return Turn(question, text_at(row, "answer", row.get("answer", int), answers))


def _annotation(
    dialog: Table, row: Table, row_id: str, turns: list[Turn], answers: Sequence[str], relevance: list[float] | None
) -> Annotation | Drop:
    """The annotation of the last of `turns`."""
    *history, turn = turns
    places = row.get("answer_options", list)
    if len(places) != NUM_CANDIDATES:
        raise row.error(f"expected {NUM_CANDIDATES} answer_options, found {len(places)}")
    options = tuple(text_at(row, "answer_options", place, answers) for place in places)
    index = index_of(row, "gt_index", NUM_CANDIDATES, "candidates")
    if not all(earlier.question and earlier.answer for earlier in history):
        return Drop(row_id, "empty turn in the history")
    if not all(options):
        return Drop(row_id, "empty candidate")
    if index is not None and turn.answer not in ("", options[index]):
        return Drop(row_id, "gt_index does not point at the answer")
    return Annotation(
        id=row_id,
        caption=clean(dialog.get("caption", str)),
        history=tuple(history),
        question=turn.question,
        options=options,
        answer_index=index,
        answers=count_answers([turn.answer]),
        extra=extra(round=len(turns), relevance=relevance),
    )


def _relevance(files: Files, dialogs: list[Table]) -> dict[tuple[int, int], list[float]]:
    """(image id, round) -> the relevance of each candidate, from 0 to 1; empty without the relevance file."""
    if "relevance" not in files.located:
        return {}
    rounds, rows = {d.get("image_id", int): len(d.tables("dialog")) for d in dialogs}, files.rows("relevance")
    problem = f"no image of {files.name('annotations')} is here"
    require_common(files, "relevance", {row.get("image_id", int) for row in rows}, rounds, problem)

    def place(row: Table) -> tuple[int, int]:
        image_id, number = row.get("image_id", int), row.get("round_id", int)
        if not 1 <= number <= rounds.get(image_id, 0):
            problem = f"image {image_id} has no round {number} in {files.name('annotations')}"
            raise row.error(problem, "fetch both files again")
        values = row.get("gt_relevance", list)
        if len(values) != NUM_CANDIDATES or not all(isinstance(v, int | float) and 0 <= v <= 1 for v in values):
            raise row.error(f"'gt_relevance': expected {NUM_CANDIDATES} numbers from 0 to 1")
        return image_id, number

    found = by_key(rows, place, lambda key: f"round {key[1]} of image {key[0]}")
    return {key: [float(value) for value in row.values["gt_relevance"]] for key, row in found.items()}
