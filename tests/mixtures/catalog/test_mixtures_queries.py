"""Every query of docs/duckdb.md over the whole miniature, with results checked against the files."""

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ib_data.cards import card_names, load_card
from ib_data.cli import group
from ib_data.home import Home
from ib_data.mixtures.catalog.queries import query
from ib_data.mixtures.spec.spec_file import load_mixture, mixture_names
from ib_data.mixtures.spec.weights import weights
from ib_data.mixtures.stream.drawing import drawn
from ib_data.tasks import TASKS
from ib_data.templates.library import PACKAGED
from ib_data.templates.stats.stats_file import read_stats

PAGE = (Path(__file__).parents[3] / "docs" / "duckdb.md").read_text()
QUERIES = dict(re.findall(r"^### ([^\n]+)\n(?:[^\n]*\n)*?```sql\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL))
PAPER_RUN = 60_000 * 128
BAD = {"dataset": "vsr", "split": "test", "annotation_id": "1", "reason": "the picture cannot be decoded"}
Rows = list[dict[str, Any]]
Check = Callable[[Home, Rows], None]


@pytest.fixture(scope="session")
def mini_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with all datasets of the miniature, some drawn positions, counted lengths and bad samples."""
    home = Home(tmp_path_factory.mktemp("queries"))
    for line in (
        "build all --mini --mini-size 12 --workers 1",
        "mixture draw demo -n 40 --keep",
        "mixture draw demo -n 15 --keep",
        "mixture draw demo -n 40 --seed 1 --keep",
        "templates stats vsr vqav2_qg",
    ):
        group.main([*line.split(), "--home", str(home.root)], standalone_mode=False)
    key = annotations(home, "vsr", "test")[0]["key"]
    bad = [{**BAD, "key": key, "position": position} for position in (7, 5)]
    home.quarantine.write_text("".join(json.dumps(line) + "\n" for line in bad))
    return home


def annotations(home: Home, dataset: str, split: str | None = None) -> Rows:
    """The rows of a dataset's indices, read from the files."""
    found = sorted(home.root.glob(f"shards/{dataset}/{split or '*'}/index.parquet"))
    return [row for path in found for row in pq.ParquetFile(path).read().to_pylist()]


def used(home: Home, role: str, column: str) -> dict[str, dict[str, str]]:
    """The keys of the used split by a column of the index, for each dataset of a role."""
    cards = [card for card in map(load_card, card_names()) if card.role == role and card.view_of is None]
    return {c.name: {row[column]: row["key"] for row in annotations(home, c.name, c.used_split)} for c in cards}


def much_is_built(home: Home, rows: Rows) -> None:
    assert {row["name"] for row in rows} == set(card_names())
    vsr = next(row for row in rows if row["name"] == "vsr" and row["split"] == "test")
    assert vsr["num_annotations"] == len(annotations(home, "vsr", "test"))
    assert vsr["percent"] == round(100 * vsr["num_annotations"] / vsr["official_size"], 1)


def kinds_of_builds(home: Home, rows: Rows) -> None:
    built = {(name, split) for name in card_names() for split in splits_of(home, name)}
    assert {(row["name"], row["split"]) for row in rows} == built
    assert {row["kind"] for row in rows} == {"miniature"}


def splits_of(home: Home, name: str) -> list[str]:
    card = load_card(name)
    return [split for split in card.splits if home.split(card.stored_as, split).exists()]


def drops_are_counted(home: Home, rows: Rows) -> None:
    files = home.root.glob("shards/*/*/drops.parquet")
    drops = [row for path in files for row in pq.ParquetFile(path).read().to_pylist()]
    expected = Counter((drop["dataset"], drop["split"], drop["reason"]) for drop in drops)
    assert {(row["dataset"], row["split"], row["reason"]): row["num_rows"] for row in rows} == dict(expected)
    assert ("scienceqa", "test", "no image") in expected


def sizes_are_plausible(home: Home, rows: Rows) -> None:
    assert len(rows) == len(list(home.root.glob("shards/*/*/manifest.json")))
    for row in rows:
        found = annotations(home, row["dataset"], row["split"])
        keys = {annotation["key"] for annotation in found}
        assert row["num_samples"] == len(keys)
        assert row["annotations_per_sample"] == pytest.approx(len(found) / len(keys), abs=0.005)
        assert 16 <= row["median_width_px"] <= 2000


def fullest_samples(home: Home, rows: Rows) -> None:
    counts = Counter(row["key"] for row in annotations(home, "*"))
    assert [row["num_annotations"] for row in rows] == sorted(counts.values(), reverse=True)[:20]
    assert all(row["num_annotations"] == counts[row["key"]] and row["media_name"] for row in rows)


def answers_by_votes(home: Home, rows: Rows) -> None:
    votes: Counter[str] = Counter()
    for row in annotations(home, "vqav2"):
        votes.update({answer["text"]: answer["count"] for answer in row["answers"]})
    found = {row["text"]: row for row in rows if row["dataset"] == "vqav2"}
    assert [row["votes"] for row in found.values()] == sorted(votes.values(), reverse=True)[: len(found)]
    for text, row in found.items():
        assert row["votes"] == votes[text]
        assert row["percent"] == pytest.approx(100 * votes[text] / votes.total(), abs=0.01)


def label_balance(home: Home, rows: Rows) -> None:
    labels = Counter(row["label"] for row in annotations(home, "vsr", "test"))
    found = {row["label"]: row["num_annotations"] for row in rows if row["dataset"] == "vsr" and row["split"] == "test"}
    assert found == dict(labels)
    assert {"vsr", "hateful_memes"} <= {row["dataset"] for row in rows}
    totals: defaultdict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        totals[row["dataset"], row["split"]] += row["share"]
    assert all(total == pytest.approx(1, abs=0.002) for total in totals.values())


def options_per_question(home: Home, rows: Rows) -> None:
    questions = annotations(home, "iconqa")
    sizes = Counter(len(row["options"]) for row in questions)
    found = {row["num_options"]: row for row in rows if row["dataset"] == "iconqa"}
    assert {size: row["num_questions"] for size, row in found.items()} == dict(sizes)
    assert {"aokvqa", "iconqa", "scienceqa"} <= {row["dataset"] for row in rows}
    assert all(0 <= row["mean_place"] < row["num_options"] for row in rows)


def longest_questions(home: Home, rows: Rows) -> None:
    lengths = sorted((len(row["question"]) for row in annotations(home, "*") if row["question"]), reverse=True)
    assert [row["num_characters"] for row in rows] == lengths[:20]
    assert all(len(row["question"]) == row["num_characters"] for row in rows)


def shared_images(home: Home, rows: Rows) -> None:
    datasets: defaultdict[str, set[str]] = defaultdict(set)
    for row in annotations(home, "*"):
        datasets[row["media_sha256"]].add(row["dataset"])
    assert {row["media_sha256"]: set(row["datasets"]) for row in rows} == {
        sha256: names for sha256, names in datasets.items() if len(names) > 1
    }
    assert any({"vqav2", "okvqa", "aokvqa"} <= set(row["datasets"]) for row in rows)


def leaks_by_content(home: Home, rows: Rows) -> None:
    train, test = used(home, "held-in", "media_sha256"), used(home, "held-out", "media_sha256")
    expected = {
        key: [name for name in sorted(train) if sha256 in train[name]]
        for keys in test.values()
        for sha256, key in keys.items()
    }
    assert {row["key"]: row["trained_in"] for row in rows} == {key: names for key, names in expected.items() if names}
    assert {row["dataset"] for row in rows} == {"vsr"}  # VSR is drawn from COCO; the miniature repeats that


def leaks_by_source_id(home: Home, rows: Rows) -> None:
    def photos(dataset: str, split: str) -> set[str]:
        return {row["media_name"].rsplit("/")[-1][-16:] for row in annotations(home, dataset, split)}

    test = photos("vsr", "test")
    expected = {
        name: len(test & photos(name, "train"))
        for name in ("coco_caption", "vqav2", "okvqa", "aokvqa", "llava_conversation", "llava_detail")
    }
    assert expected["coco_caption"] >= expected["okvqa"] > 0
    found = {row["trained_in"]: row["num_images"] for row in rows}
    assert {name: found[name] for name in expected} == expected
    assert {row["dataset"] for row in rows} == {"vsr"}


def epochs_of_a_run(home: Home, rows: Rows) -> None:
    mixture = load_mixture("instructblip")
    share = weights(mixture)
    assert {row["member"] for row in rows} == set(mixture.names)
    for row in rows:
        samples = share[row["member"]] * PAPER_RUN
        assert row["weight"] == pytest.approx(share[row["member"]], abs=5e-5)
        found = annotations(home, load_card(row["member"]).stored_as, "train")
        conversations = [annotation for annotation in found if not annotation["history"]]
        assert row["built"] == len(conversations if row["member"].startswith("llava") else found)
        assert row["epochs"] == pytest.approx(samples / len(found), rel=1e-6)


def largest_share_per_task(_home: Home, rows: Rows) -> None:
    share = weights(load_mixture("instructblip"))
    by_task: defaultdict[str, list[str]] = defaultdict(list)
    for name in share:
        by_task[load_card(name).task].append(name)
    assert {row["task"] for row in rows} == set(by_task)
    for row in rows:
        members = by_task[row["task"]]
        assert row["weight"] == pytest.approx(sum(share[name] for name in members), abs=5e-5)
        assert row["its_weight"] == pytest.approx(max(share[name] for name in members), abs=5e-5)
        assert row["largest"] in members
    assert rows[0]["largest"] == "web_capfilt"


def nothing_unbuilt(_home: Home, rows: Rows) -> None:
    assert rows == []  # the miniature builds all members; another test asks a home that lacks some


def weights_side_by_side(_home: Home, rows: Rows) -> None:
    expected: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for mixture in map(load_mixture, mixture_names()):
        for name, share in weights(mixture).items():
            expected[name][mixture.name] = round(share, 4)
    assert {row["member"]: row["weights"] for row in rows} == dict(expected)


def drawn_positions(home: Home, rows: Rows) -> None:
    expected = drawn(home, load_mixture("demo"), 10, start=10).to_pylist()
    names = ("position", "member", "epoch", "key", "id")
    assert [[row[name] for name in names] for row in rows] == [[row[name] for name in names] for row in expected]
    assert all(row["text"] for row in rows)


def bad_samples(home: Home, rows: Rows) -> None:
    first = annotations(home, "vsr", "test")[0]
    expected = {name: BAD[name] for name in ("dataset", "split", "reason")}
    counted = {"key": first["key"], "media_name": first["media_name"], "times": 2, "first_position": 5}
    assert rows == [expected | counted]


def template_counts(_home: Home, rows: Rows) -> None:
    expected = Counter((template.task, template.kind) for task in TASKS for template in PACKAGED.load(task))
    assert {(row["task"], row["kind"]): row["num_templates"] for row in rows} == dict(expected)


def lengths_of_renders(home: Home, rows: Rows) -> None:
    stats = [read_stats(home.split("vqav2", "train"), "vqav2_qg"), read_stats(home.split("vsr", "test"), "vsr")]
    expected = {
        (s.dataset, t.template): (t.lengths.num_renders, t.lengths.instruction.characters.p95)
        for s in stats
        if s
        for t in s.templates
    }
    found = {(row["dataset"], row["template"]): (row["renders"], row["instruction_p95"]) for row in rows}
    assert found == expected
    assert all(row["is_current"] and row["truncated"] is None for row in rows)


CHECKS: dict[str, Check] = {
    "How much of each dataset is built": much_is_built,
    "What kind of build each split is": kinds_of_builds,
    "Why rows were left out": drops_are_counted,
    "Annotations per image, and the sizes of images": sizes_are_plausible,
    "Samples with the most annotations": fullest_samples,
    "The most frequent answers, by votes": answers_by_votes,
    "Whether labels are balanced": label_balance,
    "Options per question, and the place of the right one": options_per_question,
    "The longest questions": longest_questions,
    "Images that several datasets hold, by content": shared_images,
    "Held-out images that held-in training data holds too, by content": leaks_by_content,
    "Held-out images that held-in training data holds too, by the source's id": leaks_by_source_id,
    "Expected epochs of each member over the paper's run of 60,000 steps of 128": epochs_of_a_run,
    "The largest share of each task": largest_share_per_task,
    "What a run would draw from members that are not built": nothing_unbuilt,
    "A member's weight in every packaged mixture": weights_side_by_side,
    "What a position was": drawn_positions,
    "Samples that streams could not use": bad_samples,
    "How many templates each task has": template_counts,
    "Templates whose texts a run would cut, and the longest ones": lengths_of_renders,
}


def test_every_query_of_the_page_has_a_check() -> None:
    assert set(QUERIES) == set(CHECKS)
    assert len(QUERIES) == PAGE.count("```sql") >= 12


@pytest.mark.parametrize("title", CHECKS)
def test_a_query_of_the_page_says_what_the_files_say(title: str, mini_home: Home, empty_home: Home) -> None:
    columns, rows = query(mini_home, QUERIES[title])
    CHECKS[title](mini_home, [dict(zip(columns, row, strict=True)) for row in rows])
    assert query(empty_home, QUERIES[title])[0] == columns


def test_what_is_not_built_is_drawn_all_the_same(tiny_home: Home) -> None:
    rows = query(tiny_home, QUERIES["What a run would draw from members that are not built"])[1]
    mixture = load_mixture("instructblip")
    share = weights(mixture)
    missing = set(mixture.names) - {"vqav2", "vqav2_qg", "okvqa", "okvqa_qg", "coco_caption"}
    assert {name: samples for name, _, samples in rows} == {name: round(share[name] * PAPER_RUN) for name in missing}
