"""The fields of an annotation that templates can use, from an annotation or from field names.

`stored.visible_fields` finds the same fields from whole columns of an index.
"""

from collections.abc import Iterable

from ib_data.blank import trimmed
from ib_data.sample import Annotation

# field -> the attributes of `Annotation` it is made from. `right_option` is the option at `answer_index`.
MADE_FROM: dict[str, tuple[str, ...]] = {
    "question": ("question",),
    "caption": ("caption",),
    "context": ("context",),
    "statement": ("statement",),
    "label": ("label",),
    "options_text": ("options",),
    "ocr_text": ("ocr_tokens",),
    "history_text": ("history",),
    "answer": ("answers",),
    "right_option": ("options", "answer_index"),
}
# Fields that are texts of the annotation, under the same name.
TEXT_FIELDS = ("question", "caption", "context", "statement", "label")


def fields_of(annotation: Annotation) -> frozenset[str]:
    """The fields of an annotation that are not blank."""
    found = [name for name in TEXT_FIELDS if (text := getattr(annotation, name)) and trimmed(text)]
    if any(map(trimmed, annotation.options)):
        found.append("options_text")
        index = annotation.answer_index
        if index is not None and index < len(annotation.options) and trimmed(annotation.options[index]):
            found.append("right_option")
    if any(map(trimmed, annotation.ocr_tokens)):
        found.append("ocr_text")
    if annotation.history:
        found.append("history_text")
    if any(answer.count and trimmed(answer.text) for answer in annotation.answers):
        found.append("answer")
    return frozenset(found)


def promised_fields(names: Iterable[str]) -> frozenset[str]:
    """The fields that every annotation with these attributes has; a card lists the attributes of each split."""
    given = frozenset(names)
    return frozenset(field for field, needed in MADE_FROM.items() if given.issuperset(needed))
