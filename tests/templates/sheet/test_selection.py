"""--random, --key and --where of `show` and `render`: which samples, and which of their annotations."""

import json

import pytest

from ib_data.cards.built import open_split
from ib_data.sample import Annotation, Answer
from ib_data.templates.sheet.selection import Selection, selected

KEYS = [f"vqav2-train-{number:012d}" for number in range(12)]


@pytest.fixture
def home(build):
    """Twelve samples of two questions each; every third asks for a red ball."""

    def asked(number, colour):
        return Annotation(id=f"{number}", question=f"Is it {colour}?", answers=(Answer("yes", 1),))

    colours = ["red" if number % 3 == 0 else "blue" for number in range(12)]
    rows = [((asked(2 * i, colour), asked(2 * i + 1, "big")), None) for i, colour in enumerate(colours)]
    return build("vqav2", "train", rows)


def rendered(cli, home, *arguments):
    result = cli("render", "vqav2", "--json", "--home", home.root, *arguments)
    assert (result.code, result.err) == (0, "")
    return [(row["key"], row["annotation_id"]) for row in json.loads(result.out)]


def shown(cli, home, *arguments):
    result = cli("show", "vqav2", "--home", home.root, *arguments)
    assert result.code == 0, result.err
    return [line.split()[0] for line in result.out.splitlines() if line.startswith("vqav2-train")]


def test_random_samples_are_drawn_by_seed(home, cli):
    assert shown(cli, home, "-n", 4) == KEYS[:4]
    found = {seed: shown(cli, home, "-n", 4, "--random", "--seed", seed) for seed in range(4)}
    assert shown(cli, home, "-n", 4, "--random") == found[0]
    assert len({tuple(keys) for keys in found.values()}) > 1
    assert all(keys == sorted(set(keys)) and len(keys) == 4 and {*keys} <= {*KEYS} for keys in found.values())
    assert shown(cli, home, "-n", 99, "--random") == KEYS


def test_every_sample_is_drawn_as_often(home):
    built, draws = open_split(home, "vqav2"), 600
    found = [ref.key for s in range(draws) for ref, _ in selected(built, "vqav2", Selection(is_random=True), 2, s)]
    assert all(found.count(key) == pytest.approx(draws / 6, rel=0.35) for key in KEYS)


def test_samples_by_key(home, cli):
    wanted = [argument for key in (KEYS[7], KEYS[2], KEYS[3], KEYS[9]) for argument in ("--key", key)]
    assert shown(cli, home, *wanted) == [KEYS[2], KEYS[3], KEYS[7], KEYS[9]]
    assert shown(cli, home, *wanted, "-n", 2) == [KEYS[2], KEYS[3]]
    result = cli("show", "vqav2", "--key", KEYS[0], "--key", "nope", "--home", home.root)
    assert result.code == 1
    assert "vqav2/train has no sample 'nope'" in result.err


def test_annotations_by_a_condition(home, cli):
    red = [(KEYS[i], str(2 * i)) for i in (0, 3, 6, 9)]
    condition = "question LIKE '%red%' -- a comment"
    assert rendered(cli, home, "--where", condition, "-n", 9) == red
    assert rendered(cli, home, "--where", condition, "-n", 2) == red[:2]
    assert rendered(cli, home, "--where", condition, "--key", KEYS[3], "--key", KEYS[4]) == red[1:2]
    drawn = rendered(cli, home, "--where", condition, "--random", "-n", 2, "--seed", 3)
    assert len(drawn) == 2
    assert {*drawn} < {*red}
    assert rendered(cli, home, "--where", "answers[1].text = 'yes'", "-n", 2) == [(KEYS[0], "0"), (KEYS[0], "1")]


def test_a_view_is_searched_under_its_own_name(home, cli):
    result = cli("show", "vqav2_qg", "--where", "id = '6' AND dataset = 'vqav2_qg'", "--home", home.root)
    assert result.out.count(KEYS[3]) == 1
    assert "and 1 more annotation" in result.out


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("question LIKE '%zebra%'", "vqav2/train: no annotation satisfies the condition of --where"),
        ("qestion = 'x'", '"question"'),
        ("true; DROP TABLE x", "--where: "),
        ("id IN (SELECT content FROM read_text('/etc/hostname'))", "--where: "),
        ("", "--where: "),
    ],
)
def test_a_condition_that_cannot_be_used_is_one_line(home, cli, condition, words):
    result = cli("show", "vqav2", "--where", condition, "--home", home.root)
    assert (result.code, result.out) == (1, "")
    assert words in result.err
    assert len(result.err.splitlines()) == 1


def test_they_combine_with_a_page(home, cli, tmp_path):
    page = tmp_path / "page.html"
    assert cli("show", "vqav2", "--key", KEYS[5], "--html", page, "--home", home.root).code == 0
    text = page.read_text(encoding="utf-8")
    assert text.count("<article") == text.count(f'<article id="{KEYS[5]}"') == 1
    assert "<h1>VQA v2.0: samples</h1>" in text
