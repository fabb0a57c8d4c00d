"""The cards of the page: an example with its image, answer and gold answers."""

from collections.abc import Callable, Mapping
from typing import Any

from ib_data.evaluation.report.numbers import shown
from ib_data.evaluation.report.pictures import picture
from ib_data.evaluation.scoring.metrics import LOSSES
from ib_data.templates.sheet.highlights import clean

# Gold answers of more characters in all are a list; of a list, the first few are open.
_LONGEST_LINE = 60
_MOST_OPEN = 3


def example_cards(
    dataset: str, found: Mapping[str, Any], media: Callable[[str, str], bytes | None], max_px: int
) -> dict[str, Any]:
    """`worst` and `random` examples of a dataset's report as the template wants them.

    `media` is as in `page_of`; images have `max_px` at most on a side. `repeated` are the ids of random examples that
    are among the worst. `has_all`: the worst are all there are, and no others are shown.
    """
    pictures: dict[str, tuple[str, str]] = {}

    def card(example: Mapping[str, Any]) -> dict[str, Any]:
        key = example["key"]
        if key not in pictures:
            pictures[key] = picture(lambda: media(dataset, key), max_px)
        image, absence = pictures[key]
        about = {"anchor": f"{dataset}:{example['id']}", "picture": image, "absence": clean(absence)}
        return {**example, **about, **_texts(found["metric"], example)}

    worst, random = found["examples"]["worst"], found["examples"]["random"]
    among = {example["id"] for example in worst}
    has_all = len(worst) == found["counts"]["cases"]
    return {
        "has_all": has_all,
        "worst": [card(example) for example in worst],
        "random": [card(example) for example in random if example["id"] not in among],
        "repeated": [] if has_all else [example["id"] for example in random if example["id"] in among],
    }


def _texts(metric: str, example: Mapping[str, Any]) -> dict[str, Any]:
    value, forms, gold = example["value"], example["forms"], example["gold"]
    is_changed = forms is not None and (forms["prediction"], forms["references"]) != (example["answer"], gold)
    is_line = sum(map(len, gold)) <= _LONGEST_LINE
    return {
        "forms": forms if is_changed else None,
        "value_text": value_text(metric, value),
        "grade": grade_of(metric, value),
        "error": example.get("error", ""),
        "shuffled_answer": example.get("shuffled_answer"),
        "candidates": [{**one, "is_gold": one["text"] in gold} for one in example.get("candidates", [])],
        "gold_line": gold if is_line else [],
        "gold_list": [] if is_line else gold[:_MOST_OPEN],
        "gold_rest": [] if is_line else gold[_MOST_OPEN:],
    }


def value_text(metric: str, value: float | None) -> str:
    """The value of an example: of a reciprocal rank the rank, else as a score."""
    return f"rank {round(1 / value)}" if metric == "mrr" and value else shown(metric, value, 0)


def grade_of(metric: str, value: float | None) -> str:
    """The class of the style sheet for the value of an example."""
    if value is None or metric in LOSSES:
        return "none"
    return "full" if value >= 1 else "zero" if value <= 0 else "part"
