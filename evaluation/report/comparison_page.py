"""The page of a comparison: the examples where two models differ, each with its image and both answers."""

from collections.abc import Mapping
from typing import Any

from ib_data.evaluation.report.comparison import Compared, Comparison, Difference
from ib_data.evaluation.report.example_cards import grade_of, value_text
from ib_data.evaluation.report.numbers import shown
from ib_data.evaluation.report.page import Media
from ib_data.evaluation.report.pictures import IMAGE_PX, MOST_LARGE, SMALL_PX, picture
from ib_data.templates.sheet.highlights import clean
from ib_data.templates.sheet.page import page_file


def comparison_page(comparison: Comparison, num_examples: int, media: Media) -> str:
    """The HTML: a table of scores, and at most `num_examples` differing examples of each dataset.

    `media` is as in `page_of`. All text is escaped; images are decoded and encoded again.
    """
    page, style_hash = page_file("ib_data.evaluation.report", "comparison.html", style_of="report.html")
    num_images = sum(min(num_examples, len(one.differing)) for one in comparison.datasets)
    max_px = IMAGE_PX if num_images <= MOST_LARGE else SMALL_PX
    return page.render(
        style_hash=style_hash,
        a=clean(str(comparison.a)),
        b=clean(str(comparison.b)),
        datasets=[_dataset(one, num_examples, media, max_px) for one in comparison.datasets],
        notes=[clean(note) for note in (*comparison.notes, *_alone(comparison), *comparison.problems.values())],
    )


def _alone(comparison: Comparison) -> list[str]:
    sides = (("A", comparison.only_a), ("B", comparison.only_b))
    return [f"only in {side}: {', '.join(names)}" for side, names in sides if names]


def _dataset(one: Compared, num_examples: int, media: Media, max_px: int) -> Mapping[str, Any]:
    ends = " to ".join(shown(one.metric, end) for end in one.paired.interval or ())
    return {
        "name": clean(one.name),
        "split": clean(one.split),
        "metric": clean(one.metric),
        "profile": clean(one.profile),
        "score_a": shown(one.metric, one.score_a, 2),
        "score_b": shown(one.metric, one.score_b, 2),
        "difference": shown(one.metric, one.difference, 2),
        "interval": ends,
        "p_value": "-" if one.paired.p_value is None else f"{one.paired.p_value:.2g}",
        "counts": (one.paired.num_better, one.paired.num_worse, one.paired.num_equal),
        "notes": [clean(note) for note in one.notes],
        "num_differing": len(one.differing),
        "examples": [_example(one, example, media, max_px) for example in one.differing[:num_examples]],
    }


def _example(one: Compared, example: Difference, media: Media, max_px: int) -> Mapping[str, Any]:
    image, absence = picture(lambda: media(one.name, example.key), max_px)
    sides = ((example.answer_a, example.value_a), (example.answer_b, example.value_b))
    return {
        "id": clean(example.id),
        "key": clean(example.key),
        "picture": image,
        "absence": clean(absence),
        "prompt": clean(example.prompt),
        "gold": [clean(text) for text in example.gold],
        "answers": [(clean(text), value_text(one.metric, value), grade_of(one.metric, value)) for text, value in sides],
    }
