"""Visual Dialog v1.0: rounds of questions about a photo, each with the rounds before it and 100 candidate answers."""

from collections.abc import Iterator

from ib_data.builders.formats.visdial_files import read_dialogs, read_relevance
from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, clean, count_answers, extra
from ib_data.sample import Annotation

STORES = {"train": "coco_trainval2014", "validation": "visdial_val2018", "test": "visdial_test2018"}


def rows(files: Files) -> Iterator[Row | Drop]:
    """An annotation a round, `IMAGEID-ROUND`; of the test split the last round only, whose answer is hidden."""
    dialogs = read_dialogs(files)
    relevance = read_relevance(files, dialogs)
    is_test = files.split == "test"
    for dialog in dialogs.tables:
        image_id = dialog.get("image_id", int)
        turns = dialogs.turns(dialog, last_is_hidden=is_test)
        if not turns:
            yield Drop(str(image_id), "no round")
        for number, row in enumerate(dialog.tables("dialog")):
            if is_test and number + 1 < len(turns):
                continue
            row_id, history = f"{image_id}-{number + 1}", turns[:number]
            options, index = dialogs.candidates(row), dialogs.right_place(row)
            if not all(turn.question and turn.answer for turn in history):
                yield Drop(row_id, "empty turn in the history")
            elif not all(options):
                yield Drop(row_id, "empty candidate")
            elif index is not None and turns[number].answer not in ("", options[index]):
                yield Drop(row_id, "gt_index does not point at the answer")
            else:
                annotation = Annotation(
                    id=row_id,
                    caption=clean(dialog.get("caption", str)),
                    history=history,
                    question=turns[number].question,
                    options=options,
                    answer_index=index,
                    answers=count_answers([turns[number].answer]),
                    extra=extra(round=number + 1, relevance=relevance.get((image_id, number + 1))),
                )
                yield Row(MediaRef(STORES[files.split], image_id), annotation)
