"""TextVQA of the miniature: questions about the words on two boards.

Includes odd rows of the real files: blanks around answers, a comma at the end, ten different answers, the marker that
is not an answer.
"""

from typing import Any

from ib_data.builders.miniature.world.population import Population
from ib_data.builders.miniature.world.signs import (
    CYCLE,
    MEDIA,
    SET_NAMES,
    Sign,
    image_facts,
    sign_file,
    signs,
    token_members,
)
from ib_data.cards import Card, SourceFile

__all__ = ["MEDIA", "members"]
_ODD_ANSWERS = 2  # number of an image, modulo the cycle
_MARKER = "answering does not require reading text in the image"


def members(population: Population, card: Card, file: SourceFile) -> dict[str, bytes]:
    """The only member of one official file."""
    assert file.split is not None
    if file.role == "ocr":
        return token_members(population, file)
    rows: list[dict[str, Any]] = []
    for one in signs(population, file.split):
        for turn, (question, answer, mistake) in enumerate(sign_questions(one)):
            row = {"question": question, "image_id": one.image_id, **image_facts(one)}
            if file.split != "test":
                row["answers"] = _answers(answer, mistake, one.number % CYCLE if turn == 0 else None)
            row |= {"question_tokens": question.rstrip("?").split(), "question_id": one.number * 10 + turn}
            rows.append({**row, "set_name": SET_NAMES[file.split]})
    return {file.name: sign_file("textvqa", "0.5.1", file.split, rows)}


def sign_questions(one: Sign) -> list[tuple[str, str, str]]:
    """(question, right answer, plausible wrong answer) for an image."""
    return [
        (f"what does the {one.upper} sign say?", one.word.lower(), one.word[:-1].lower()),
        (f"what number is on the {one.lower} board?", str(one.price), str(one.price + 1)),
        (f"what is the word above the number  {one.price}?", one.word.lower(), "unanswerable"),
    ]


def _answers(answer: str, mistake: str, case: int | None) -> list[str]:
    if case == _ODD_ANSWERS:
        more = [f"{answer} shop", f"the {answer}", answer.upper(), f"{answer}, {mistake}, ", f"{answer} sign", mistake]
        return [answer, f"{answer} ", *more, f"{answer} and more", _MARKER]
    return [*[answer] * 7, f"{answer} ", answer, mistake]
