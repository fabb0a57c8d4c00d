"""`ib-data templates stats`: what is counted, how it is kept, and what a card shows of it."""

import json
import sys
from dataclasses import replace
from hashlib import sha256

import pyarrow.parquet as pq
import pytest

from ib_data.cards import load_card
from ib_data.cards.built import open_split
from ib_data.errors import DataError, IbDataError, MissingExtraError
from ib_data.sample import Annotation, Answer, Turn
from ib_data.stored.index import annotation_of
from ib_data.stored.manifest import INDEX, read_manifest
from ib_data.templates.library import PACKAGED
from ib_data.templates.renderer import Renderer
from ib_data.templates.stats.counting import count_lengths, spread_rows
from ib_data.templates.stats.stats_file import read_stats, stats_file, write_stats
from ib_data.templates.stats.token_counts import load_token_counter

WHOLE = Annotation(
    id="1",
    question="What?",
    answers=(Answer("it", 2), Answer("that", 1)),
    caption="A cup.",
    options=("x", "", "z"),
    answer_index=0,
    context="Read this.",
    ocr_tokens=("STOP", " "),
    history=(Turn("Q?", "A."),),
    statement="A cup.",
    label="true",
    rationales=("Because.",),
    extra={"note": [1, {"a": "b"}]},
)


def tokenizer_file(folder):
    """A tokenizer of one token a word, with a truncation that must not count."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.enable_truncation(3)
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture
def many(build):
    """Sixty VQAv2 questions of different lengths; rows 0, 10, ... hide their answers."""
    rows = [
        Annotation(id=str(i), question=f"What is {'very ' * i}big?", answers=(Answer("a cup", 1),) if i % 10 else ())
        for i in range(60)
    ]
    return build("vqav2", "train", [((row,), None) for row in rows])


def stats_of(home, name="vqav2", seed=0, **options):
    card = load_card(name)
    return count_lengths(card, open_split(home, card), Renderer(seed=seed), **options)


def test_an_annotation_comes_back_from_its_row_as_it_was(build):
    home = build("vqav2", "train", [((WHOLE, Annotation(id="2")), None)])
    rows = pq.read_table(home.split("vqav2", "train") / INDEX).to_pylist()
    assert [annotation_of(row) for row in rows] == [WHOLE, Annotation(id="2")]
    (found, _) = open_split(home, "vqav2").annotations_at([0, 1])
    assert found == (0, WHOLE)


def test_rows_are_spread_evenly():
    assert spread_rows(5, 10) == [0, 1, 2, 3, 4]
    assert spread_rows(10, 5) == [0, 2, 4, 6, 8]
    assert spread_rows(7, 3) == [0, 2, 4]
    assert spread_rows(0, 3) == []


def test_row_i_is_rendered_at_position_i(many):
    card = load_card("vqav2")
    found = list(open_split(many, card).annotations_at(range(60)))
    renders = [Renderer(seed=5).render(card, a, i) for i, a in found if a.answers]
    stats = stats_of(many, seed=5)
    for row in stats.templates:
        lengths = sorted(len(r.instruction) for r in renders if r.template == row.template)
        assert row.lengths.num_renders == len(lengths)
        assert (row.lengths.instruction.characters.p50, row.lengths.instruction.characters.max) == (
            lengths[(len(lengths) - 1) // 2],
            lengths[-1],
        )
    assert {row.template: row.sha256 for row in stats.templates}.items() <= {
        t.name: t.sha256 for t in PACKAGED.load(card.task)
    }.items()
    assert stats.total.num_renders == sum(row.lengths.num_renders for row in stats.templates) == 54
    assert stats.total.target.characters.p5 == stats.total.target.characters.max == len("a cup")
    assert stats.failures == {"no answer to render question_answering from": 6}
    assert sum(stats.failures.values()) == 6
    assert stats == stats_of(many, seed=5) != stats_of(many, seed=6)


def test_a_part_of_the_rows_is_rendered_where_it_stands(many):
    stats = stats_of(many, max_rows=6)
    assert (stats.num_rows, stats.num_annotations, sum(stats.failures.values())) == (6, 60, 6)
    assert stats.total is None
    assert stats.templates == ()
    assert sum(stats_of(many, max_rows=7).failures.values()) < 7


def test_tokens_and_what_a_training_run_would_cut(many, tmp_path):
    path = tokenizer_file(tmp_path)
    for place in (path, tmp_path):
        counter = load_token_counter(place)
        assert counter.sha256 == sha256(path.read_bytes()).hexdigest()
        assert counter.counts(["one two three four five", ""]) == [6, 1]
    stats = stats_of(many, counter=counter, max_instruction_tokens=40, max_target_tokens=3)
    assert stats.tokenizer_sha256 == counter.sha256
    card = load_card("vqav2")
    rendered = [Renderer().render(card, a, i) for i, a in open_split(many, card).annotations_at(range(60)) if a.answers]
    assert stats.total.instruction.num_cut == sum(len(r.instruction.split()) + 1 > 40 for r in rendered) > 0
    assert stats.total.target.num_cut == 0
    assert stats.total.target.tokens.max == 3
    assert stats_of(many, counter=counter, max_target_tokens=2).total.target.num_cut == 54


def test_a_held_out_dataset_is_counted_by_its_prompt(build):
    rows = [Annotation(id=str(i), statement="The cup is left of the jar.", label="false") for i in range(5)]
    stats = stats_of(build("vsr", "test", [(tuple(rows), None)]), "vsr")
    assert [row.template for row in stats.templates] == ["vsr"]
    assert stats.total.num_renders == 5


def test_a_view_is_counted_apart_over_the_shards_of_its_base(many, cli):
    assert cli("templates", "stats", "vqav2_qg", "vqav2", "--home", many.root).code == 0
    folder = many.split("vqav2", "train")
    names = {t.name for t in PACKAGED.load("question_generation")}
    assert read_stats(folder, "vqav2_qg").templates[0].template in names
    assert read_stats(folder, "vqav2").dataset == "vqav2"
    assert read_manifest(folder, "vqav2").missing(folder) is None


def test_what_is_written_is_read_back(many, tmp_path):
    counter = load_token_counter(tokenizer_file(tmp_path))
    folder = many.split("vqav2", "train")
    for stats in (stats_of(many), stats_of(many, counter=counter), stats_of(many, max_rows=6)):
        path = write_stats(folder, stats)
        assert read_stats(folder, "vqav2") == stats
        assert "null" not in path.read_text(encoding="utf-8")
    assert [p.name for p in folder.glob("templates-*")] == ["templates-vqav2.json"]
    assert read_stats(folder, "vqav2_qg") is None
    assert read_stats(tmp_path / "nowhere", "vqav2") is None


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda v: "{", "cannot be read"),
        (lambda v: "[]", "expected a table"),
        (lambda v: json.dumps({**v, "sede": 1}), "unknown key 'sede'; run `ib-data templates stats vqav2` again"),
        (lambda v: json.dumps({**v, "seed": "0"}), "'seed': expected an integer, found '0'"),
        (lambda v: json.dumps({**v, "num_rows": -1}), "'num_rows': expected an integer from 0, found -1"),
        (lambda v: json.dumps({**v, "split": "test"}), "holds no counts of vqav2/train"),
        (lambda v: json.dumps({k: v[k] for k in v if k != "index_sha256"}), "'index_sha256' is missing"),
        (lambda v: json.dumps({**v, "failures": {"x": "y"}}), "failures: 'x': expected an integer"),
        (lambda v: json.dumps({**v, "templates": [{"template": "x"}]}), r"templates\[0\]: key 'sha256' is missing"),
        (
            lambda v: json.dumps({**v, "templates": [{"template": "x", "sha256": "0", "lengths": {}}]}),
            r"templates\[0\].lengths: key 'num_renders' is missing \(expected an integer\)",
        ),
    ],
)
def test_a_damaged_file_of_counts_is_one_clear_error(many, change, problem):
    folder = many.split("vqav2", "train")
    path = write_stats(folder, stats_of(many))
    path.write_text(change(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")
    with pytest.raises(DataError, match=problem) as caught:
        read_stats(folder, "vqav2")
    assert str(caught.value).startswith(f"vqav2: {path}: ")


def test_what_is_no_file_of_counts_is_to_be_looked_at(many):
    folder = many.split("vqav2", "train")
    stats_file(folder, "vqav2").mkdir()
    with pytest.raises(DataError, match="cannot be read: Is a directory; check what is there") as caught:
        read_stats(folder, "vqav2")
    assert str(caught.value).endswith("or run `ib-data templates stats vqav2` again")


def test_the_verb_prints_a_table_and_the_reasons(many, cli):
    result = cli("templates", "stats", "vqav2", "--home", many.root)
    assert result.code == 0
    head, _, *rows = result.out.splitlines()
    assert head.split() == [
        "dataset", "split", "template", "renders", "instruction", "characters", "target", "characters",
    ]  # fmt: skip
    assert rows[-1].split()[:4] == ["vqav2", "train", "(all)", "54"]
    assert rows[-1].endswith("5 / 5 / 5 / 5 / 5")
    assert "vqav2/train: 6 of 60 not rendered: no answer to render question_answering from\n" in result.err


def test_the_verb_as_json_with_tokens(many, cli, tmp_path):
    path = tokenizer_file(tmp_path)
    limits = ("--max-instruction-tokens", 40, "--max-target-tokens", 2)
    out = cli("templates", "stats", "vqav2", "--json", "--tokenizer", path, *limits, "--home", many.root).out
    (stats,) = json.loads(out)
    assert stats["total"]["target"] == {
        "characters": dict.fromkeys(["p5", "p50", "p95", "p99", "max"], 5),
        "tokens": dict.fromkeys(["p5", "p50", "p95", "p99", "max"], 3),
        "num_cut": 54,
    }
    assert stats == read_stats(many.split("vqav2", "train"), "vqav2").to_plain() | {"templates": stats["templates"]}
    table = cli("templates", "stats", "vqav2", "--tokenizer", path, *limits, "--home", many.root).out
    assert table.splitlines()[0].count("tokens") == 2
    assert table.splitlines()[-1].split()[-1] == "54"


def test_without_names_all_that_is_built_is_counted(many, cli):
    result = cli("templates", "stats", "--home", many.root)
    assert {line.split()[0] for line in result.out.splitlines()[2:]} == {"vqav2", "vqav2_qg"}
    assert "left out because not built: aokvqa, " in result.err


def test_nothing_built_and_unknown_names_are_errors(cli, home):
    result = cli("templates", "stats", "--home", home.root)
    assert (result.code, "nothing of all is built in" in result.err) == (1, True)
    assert "run `ib-data build vsr`" in cli("templates", "stats", "vsr", "--home", home.root).err
    assert "did you mean 'vsr'?" in cli("templates", "stats", "vsrr", "--home", home.root).err
    assert cli("templates", "stats", "vsr", "-n", "0", "--home", home.root).code == 2


def test_a_split_without_rows_is_told(build, cli):
    home = build("vqav2", "train", [])
    result = cli("templates", "stats", "vqav2", "--home", home.root)
    assert (result.code, "vqav2/train: built, but without annotations\n" in result.err) == (0, True)
    stats = read_stats(home.split("vqav2", "train"), "vqav2")
    assert (stats.num_rows, stats.total, stats.failures) == (0, None, {})


def test_a_tokenizer_that_is_missing_or_damaged(many, cli, tmp_path):
    def error(path):
        result = cli("templates", "stats", "vqav2", "--tokenizer", path, "--home", many.root)
        assert (result.code, result.out) == (1, "")
        return result.err

    assert f"{tmp_path / 'tokenizer.json'}: no such tokenizer; name a tokenizer.json" in error(tmp_path)
    assert "no such tokenizer" in error(tmp_path / "nowhere.json")
    for text in ("", "{}", "not JSON", "\x00\xff"):
        (tmp_path / "tokenizer.json").write_text(text, encoding="utf-8")
        assert f"{tmp_path / 'tokenizer.json'}: not a tokenizer: " in error(tmp_path)


def test_without_the_package_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'ib-data\[train\]'"):
        load_token_counter(tmp_path)


def test_a_damaged_index_is_one_clear_error(many):
    path = many.split("vqav2", "train") / INDEX
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"vqav2: .*index\.parquet: is not a Parquet file; build vqav2 again"):
        stats_of(many)
    path.unlink()
    with pytest.raises(IbDataError, match=r"index\.parquet: is missing; build vqav2 again"):
        stats_of(many)


def test_an_index_of_another_build_is_refused(many):
    path = many.split("vqav2", "train") / INDEX
    pq.write_table(pq.read_table(path).slice(0, 50), path)
    with pytest.raises(DataError, match="expected 60 rows as the manifest says, found 50"):
        stats_of(many)


def test_the_card_shows_the_counts_and_whether_they_are_of_this_build(many, cli):
    assert "Rendered" not in cli("card", "vqav2", "--home", many.root).out
    folder = many.split("vqav2", "train")
    write_stats(folder, stats_of(many))
    shown = cli("card", "vqav2", "--home", many.root).out
    assert "### Rendered: train\n\n60 of 60 annotations rendered with seed 0." in shown
    assert "Not rendered: 6, no answer to render question_answering from." in shown
    assert "Of an earlier build" not in shown
    assert "| (all) " in shown
    built = json.loads(cli("card", "vqav2", "--format", "json", "--home", many.root).out)["built"]["train"]
    assert built["num_annotations"] == 60
    assert built["templates"]["total"]["num_renders"] == 54
    assert built["templates"]["is_current"] is True
    assert "Rendered" not in cli("card", "vqav2_qg", "--home", many.root).out

    write_stats(folder, replace(stats_of(many), index_sha256="1" * 64))
    shown = cli("card", "vqav2", "--home", many.root).out
    assert "Of an earlier build: run `ib-data templates stats vqav2` again." in shown
    built = json.loads(cli("card", "vqav2", "--format", "json", "--home", many.root).out)["built"]["train"]
    assert built["templates"]["is_current"] is False

    stats_file(folder, "vqav2").write_text("{", encoding="utf-8")
    result = cli("card", "vqav2", "--home", many.root)
    assert (result.code, "run `ib-data templates stats vqav2` again" in result.err) == (1, True)
