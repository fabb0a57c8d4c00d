"""TextVQA v0.5.1: questions about words in Open Images images, with the tokens that Rosetta read there."""

from collections.abc import Iterator

from ib_data.builders.formats.scene_text import image_of, read_tokens, rows_of
from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, Row, clean, count_answers, extra
from ib_data.sample import Annotation
from ib_data.strict import Table

# A button on the annotators' page, not an answer; its count is kept in `extra`.
MARKER = "answering does not require reading text in the image"
_KEPT = ("flickr_original_url",)


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per question; the test split has no answers."""
    found = rows_of(files, "textvqa")
    tokens = read_tokens(files, found)
    for row in found:
        yield Row(image_of(files, row), _annotation(row, tokens.get(row.get("image_id", str), ())))


def _annotation(row: Table, ocr_tokens: tuple[str, ...]) -> Annotation:
    given = [clean(text) for text in row.texts("answers")]
    answers = [text for text in given if text.lower() != MARKER]
    kept = {key: row.get(key, str, None) for key in _KEPT}
    return Annotation(
        id=str(row.get("question_id", int)),
        question=clean(row.get("question", str)),
        answers=count_answers(answers),
        ocr_tokens=ocr_tokens,
        extra=extra(
            **kept,
            image_classes=list(row.texts("image_classes")),
            num_needs_no_reading=(len(given) - len(answers)) or None,
        ),
    )
