"""The page of a report: one HTML file without server or script.

Prompts, answers and names are untrusted: all text is escaped, images are decoded and re-encoded, and the content
security policy of the page forbids all loads and scripts.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ib_data.evaluation.report.chart import chart
from ib_data.evaluation.report.example_cards import example_cards
from ib_data.evaluation.report.numbers import ordered, shown, shown_also
from ib_data.evaluation.report.pictures import IMAGE_PX, MOST_LARGE, SMALL_PX
from ib_data.evaluation.scoring.metrics import LOSSES, METRICS
from ib_data.templates.sheet.highlights import clean
from ib_data.templates.sheet.page import page_file

Report = Mapping[str, Any]
Media = Callable[[str, str], bytes | None]
# Families of the main table, a column each in the overview.
FAMILIES = ("Flamingo", "BLIP-2", "InstructBLIP")
# Longer lists are folded.
_MOST_OPEN = 8
_MOST_WARNINGS = 4
_METHODS = {"generate": "generation", "rank": "ranking of candidates"}


def page_of(report: Report, media: Media) -> str:
    """The HTML of a report's JSON; `media` gives the bytes of an image or clip by dataset and key, None if absent."""
    page, style_hash = page_file("ib_data.evaluation.report", "report.html")
    cleaned = _cleaned(report)
    found = cleaned["datasets"]
    images = {(name, example["key"]) for name in found for some in found[name]["examples"].values() for example in some}
    max_px = IMAGE_PX if len(images) <= MOST_LARGE else SMALL_PX
    datasets = [_dataset(name, values, media, max_px) for name, values in found.items()]
    return page.render(
        report=cleaned,
        style_hash=style_hash,
        title=f"Evaluation of {_title(cleaned['model'])}",
        identity=facts_of(cleaned["model"]),
        datasets=datasets,
        families=FAMILIES,
        most_open=_MOST_OPEN,
        most_warnings=_MOST_WARNINGS,
    )


def _cleaned(value: Any) -> Any:
    """`value` with `clean` texts, which HTML can hold."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {clean(str(key)): _cleaned(inner) for key, inner in value.items()}
    return [_cleaned(inner) for inner in value] if isinstance(value, list | tuple) else value


def _title(model: Report) -> str:
    """The name of a model: the last part of its path, if it has one, else what its identity begins with."""
    named = next((str(model[key]) for key in ("name", "model", "path", "folder") if model.get(key)), "")
    return named.rstrip("/").rpartition("/")[2] or "a model"


def facts_of(values: Report, before: str = "") -> list[tuple[str, str]]:
    """Nested values as pairs of a name and a text; names of inner values are dotted."""
    found = []
    for key, value in values.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping):
            found += facts_of(value, f"{name}.")
        else:
            found.append((name, text_of(value)))
    return found


def text_of(value: Any) -> str:
    """A value of the report for a reader: numbers with separators, lists with commas, None as a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return ", ".join(map(text_of, value)) if isinstance(value, list) else str(value)


def _dataset(name: str, found: Report, media: Media, max_px: int) -> dict[str, Any]:
    published, metric = _published(found), found["metric"]
    return {
        **found,
        "name": name,
        "shown_score": shown(metric, found["score"], 2),
        "shown_interval": [shown(metric, end) for end in found["interval"] or ()],
        "chart": None if metric in LOSSES else chart(found),
        "built": "miniature" if "miniature" in found["counts"]["kind"] else _built(found["counts"]),
        "method_text": _METHODS[found["method"]],
        "facts": _facts(found),
        "families": {family: _range(found, family) for family in FAMILIES},
        "published": published,
        "has_own": any(entry["differs"] for entry in published),
        "differs": _differs_for_all(found),
        "also": shown_also(metric, found["also"]),
        "groups_are_alone": metric in METRICS and METRICS[metric].is_whole,
        "groups": {title: _groups(metric, values) for title, values in found["breakdown"].items()},
        **example_cards(name, found, media, max_px),
    }


def _built(counts: Report) -> str:
    """How much of the official data is built: `119 of 12,578 built`; empty if it is all, or the size is unknown."""
    built, official = counts["built"], counts["official"]
    return "" if official is None or built == official else f"{built:,} of {official:,} built"


def _facts(found: Report) -> list[tuple[str, str]]:
    """What was done, and what came out besides the score; empty values are left out."""
    counts, lengths, ranking = found["counts"], found["lengths"], found["ranking"]
    mean, longest = lengths["mean_tokens"], lengths["max_tokens"]
    sizes = (
        f"{counts['cases']:,} cases about {counts['images']:,} images",
        "a random part of what is built" if counts["is_part"] else "",
        _built(counts),
        *counts["kind"],
    )
    tokens = f"{mean:.1f} tokens in the mean, {longest:,} at most" if mean is not None else ""
    source = found["source_name"] if found["source_name"] != found["split"] else ""
    pairs = [
        ("Split", f"{found['split']}, which the source calls {source}" if source else found["split"]),
        ("Size", "; ".join(text for text in sizes if text)),
        ("Prompt", found["prompt"]),
        ("Method", _METHODS[found["method"]]),
        ("Decoding", "; ".join(f"{key} {value}" for key, value in facts_of(found["decoding"]))),
        ("Ranking", "; ".join(f"{key}: {value}" for key, value in facts_of(ranking) if value)),
        ("Answers", f"{counts['failed']:,} failed, {counts['empty']:,} empty, {counts['truncated']:,} truncated"),
        ("Lengths", tokens),
        ("Other images", _shuffled_text(found)),
        ("Training", leakage_text(found["leakage"])),
        ("Note", found["note"]),
    ]
    return [(title, text) for title, text in pairs if text]


def _shuffled_text(found: Report) -> str:
    """What the image is worth, in words; empty if images were not exchanged."""
    other, metric = found["shuffled"], found["metric"]
    if other is None:
        return ""
    low, high = other["interval"] or (None, None)
    ends = "" if low is None else f" (95 % interval {shown(metric, low)} to {shown(metric, high)})"
    return (
        f"{shown(metric, other['score'], 2)} with the images of other examples (seed {other['seed']}): "
        f"{shown(metric, other['from_image'], 2)} of the score comes from the image{ends}; "
        f"{100 * other['answers_changed']:.1f} % of the answers change"
    )


def leakage_text(leakage: Report) -> str:
    """What is known of the evaluated split in the training data, in words; empty if nothing was looked for."""
    if not leakage:
        return ""
    if not leakage.get("known"):
        return "what the model was trained on is not known"
    images = f"{leakage['shared_images']:,} images of {leakage['shared_cases']:,} cases are in the training data"
    without = leakage["score_without"]
    if leakage["shared_images"]:
        images += "" if without is None else f"; the score without these cases is {shown('', without)}"
    missing = ", ".join(leakage["members_not_built"])
    parts = (
        leakage.get("line", "not trained on this dataset"),
        images,
        f"not compared with {missing}, which is not built" if missing else "",
        f"trained on {', '.join(leakage['members'])}",
    )
    return "; ".join(part for part in parts if part)


def _range(found: Report, family: str) -> str:
    """The published zero-shot numbers of a family of models, from the lowest to the highest."""
    of_main = [one for one in found["published"] if one["table"] == "zero-shot"]
    values = [one["value"] for one in of_main if one["model"].startswith(family)]
    if not values:
        return "-"
    low, high = shown("", min(values)), shown("", max(values))
    return low if low == high else f"{low} to {high}"


def _published(found: Report) -> list[dict[str, Any]]:
    """The published numbers with how far the score is from them, and what differs for each but not for all."""
    same, rows = _differs_for_all(found), []
    for entry in found["published"]:
        change = None if found["score"] is None else 100 * (found["score"] - entry["value"])
        own = [phrase for phrase in entry["differs"] if phrase not in same]
        texts = {"shown": shown("", entry["value"]), "change": "-" if change is None else f"{change:+.1f}"}
        rows.append({**entry, **texts, "differs": own})
    return rows


def _differs_for_all(found: Report) -> list[str]:
    """In what the evaluation differs from every published number of the dataset."""
    every = [entry["differs"] for entry in found["published"]]
    return [phrase for phrase in every[0] if all(phrase in others for others in every)] if every else []


def _groups(metric: str, values: Report) -> Sequence[dict[str, Any]]:
    return [
        {"name": name, "score": shown(metric, one["score"]), "count": one["count"]} for name, one in ordered(values)
    ]
