"""Which fields templates can use of an annotation: the one list of them, found from an annotation or from names.

`stored.visible_fields` finds the same fields from whole columns of an index.
"""

from collections.abc import Iterable

from ib_data.blank import trimmed
from ib_data.sample import Annotation

# Each field, and the names of `Annotation` that it is made from. `right_option` is the one that `answer_index` names.
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
# Fields that are a text of the annotation under the same name.
TEXT_FIELDS = ("question", "caption", "context", "statement", "label")


def fields_of(annotation: Annotation) -> frozenset[str]:
    """The fields that an annotation has: those with something in them that is not blank."""
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
    """The fields that annotations with all of these `names` are sure to have; a card lists the names of each split."""
    given = frozenset(names)
    return frozenset(field for field, needed in MADE_FROM.items() if given.issuperset(needed))
