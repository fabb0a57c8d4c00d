"""The public face: what `import ib_data` gives, when it is loaded, and docs/api.md."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny_homes

import ib_data
from ib_data.builders.write.build_options import Options
from ib_data.errors import IbDataError
from ib_data.home import Home
from ib_data.settings import defaults_of

ROOT = Path(__file__).resolve().parent.parent
tiny_home = tiny_homes.tiny_home
HEAVY = ("pyarrow", "duckdb", "torch", "numpy", "click", "PIL", "yaml", "datasets", "webdataset")


def test_importing_loads_nothing_until_a_name_is_used() -> None:
    """In a process of its own: here everything is loaded already."""
    code = f"""
import sys
import ib_data
loaded = [name for name in {HEAVY} if name in sys.modules]
assert loaded == [], loaded
assert "ib_data.home" not in sys.modules
assert dir(ib_data) == sorted([*ib_data.__all__, "__version__"])
ib_data.Home, ib_data.IbDataError
assert not [name for name in {HEAVY} if name in sys.modules]
ib_data.query, ib_data.open_split, ib_data.render, ib_data.open_stream, ib_data.to_webdataset, ib_data.to_datasets
assert not {{"torch", "click", "datasets", "webdataset"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_table_and_the_typed_imports_say_the_same() -> None:
    tree = ast.parse((ROOT / "src" / "ib_data" / "__init__.py").read_text())
    (typed,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in typed.body if isinstance(node, ast.ImportFrom)]
    assert {alias.name: node.module for node in imports for alias in node.names} == ib_data._MODULES
    assert sorted(ib_data.__all__) == sorted(ib_data._MODULES)
    for name in ib_data.__all__:
        assert getattr(ib_data, name).__name__ == name
        assert getattr(ib_data, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'ib_data' has no attribute 'opensplit'"):
        ib_data.opensplit  # noqa: B018


def test_a_home_is_given_as_text_and_shows_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("IB_DATA_HOME", str(tmp_path / "other"))
    monkeypatch.chdir(tmp_path)
    assert Home("~/x") == Home(tmp_path / "x") == Home.find("x") == Home.find(Home("x"))
    assert Home.find() == Home(tmp_path / "other")
    assert repr(Home("/data/ib")) == "Home('/data/ib')"
    with pytest.raises(IbDataError, match="nobody_of_this_name"):
        Home("~nobody_of_this_name/x")


def test_a_query_gives_rows_dicts_arrow_and_a_table(tiny_home: Home) -> None:
    found = ib_data.query(str(tiny_home.root), "SELECT name, num_samples FROM datasets WHERE num_shards > 0 ORDER BY 1")
    assert found.columns == ("name", "num_samples")
    assert list(found) == [("coco_caption", 9), ("okvqa", 3), ("vqav2", 20)]
    assert found.dicts()[2] == {"name": "vqav2", "num_samples": 20}
    assert found.arrow().to_pylist() == found.df().to_dict("records") == found.dicts()
    assert len(found) == 3
    assert re.search(r"^vqav2 +20$", repr(found), re.MULTILINE)
    none = ib_data.query(tiny_home, "SELECT name, num_samples FROM datasets WHERE false")
    assert (len(none), none.arrow().num_columns, list(none.df())) == (0, 2, ["name", "num_samples"])
    long = ib_data.query(tiny_home, "SELECT range, repeat('x', 99) FROM range(30)")
    assert "... 10 more rows" in repr(long)
    assert max(map(len, repr(long).splitlines())) < 80
    with pytest.raises(IbDataError, match="two columns"):
        ib_data.query(tiny_home, "SELECT 1 AS a, 2 AS a").dicts()
    with pytest.raises(IbDataError, match="sql: DELETE is not allowed"):
        ib_data.query(tiny_home, "DELETE FROM datasets")


def test_an_annotation_is_rendered_from_any_source(tiny_home: Home) -> None:
    split = ib_data.open_split(str(tiny_home.root), "vqav2")
    assert "vqav2/train: 40 annotations of 20 samples" in repr(split)
    annotation = split.annotation(5)
    expected = ib_data.render("vqav2", annotation, seed=3, position=9)
    assert annotation.question
    assert annotation.question in expected.instruction
    assert (expected.seed, expected.position, expected.target) == (3, 9, expected.target)
    row = ib_data.query(tiny_home, f"FROM annotations WHERE dataset = 'vqav2' AND id = '{annotation.id}'").dicts()[0]
    (batch,) = split.batches()
    for mapping in (row, batch.to_pylist()[5]):
        assert ib_data.render("vqav2", mapping, seed=3, position=9) == expected
    view = ib_data.render("vqav2_qg", annotation)
    assert (view.task, view.target) == ("question_generation", annotation.question)
    hidden = ib_data.render("vqav2", {"id": "1", "question": "what is it?"})
    assert hidden.target is None
    assert "what is it?" in hidden.instruction.lower()


@pytest.mark.parametrize("kind", [str, Path])
def test_the_folder_of_templates_may_be_a_string(tmp_path: Path, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert ib_data.StreamOptions(templates=kind("mine")).templates == tmp_path / "mine"
    assert ib_data.StreamOptions(templates=kind("~/mine")).templates == tmp_path / "mine"
    with pytest.raises(IbDataError, match="templates: expected a folder, found 7"):
        ib_data.StreamOptions(templates=7)  # type: ignore[arg-type]


def test_a_stream_and_its_loader_say_what_they_are(tiny_home: Home) -> None:
    stream = ib_data.open_stream(str(tiny_home.root), "demo", 7, available=True)
    assert repr(stream) == "<Stream demo: vqav2, coco_caption, okvqa, vqav2_qg; seed 7>"
    loader = ib_data.StreamLoader(stream, 8, world=2, rank=1)
    assert repr(loader) == f"<StreamLoader of {stream!r}: batches of 8, rank 1 of 2, 0 workers, position 0>"


def test_a_template_is_named_or_is_the_zero_shot_prompt(tmp_path: Path) -> None:
    given = {"id": "1", "question": "what is it?", "answers": [{"text": "a cup", "count": 1}]}
    assert ib_data.render("vqav2", given, template="keep_short").template == "keep_short"
    assert ib_data.render("gqa", given).template == "gqa"
    with pytest.raises(IbDataError, match="no template 'keep_shrt'; did you mean 'keep_short'"):
        ib_data.render("vqav2", given, template="keep_shrt")
    (tmp_path / "question_answering.toml").write_text('[train]\nmine = "Q: {{ question }}"\n[target]\nall = "x"\n')
    with pytest.raises(IbDataError, match=r"question_answering\.toml"):
        ib_data.render("vqav2", given, templates=str(tmp_path))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"question": "what is it?"}, "'id' is missing"),
        ({"id": "1", "question": 7}, "question"),
        ({"id": "1", "question": "?", "anwsers": []}, "unknown key 'anwsers'; did you mean 'answers'"),
        ({"id": "1", "question": "?", "extra": "{"}, "extra: expected a mapping, or one as JSON, found '{'"),
        ({"id": "1", "question": "?", "options": ["a"], "answer_index": 3}, "answer_index"),
    ],
)
def test_an_invalid_mapping_is_an_error(given: dict[str, Any], words: str) -> None:
    with pytest.raises(IbDataError, match=words):
        ib_data.render("vqav2", given)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"names": "vqa2"}, "did you mean 'vqav2'"),
        ({"names": "vqav2", "mini": True, "source": "x"}, "leave out source"),
        ({"names": "vqav2", "limit": 0}, "limit: expected an integer of at least 1, found 0"),
        ({"names": "vqav2", "workers": 0}, "workers: expected an integer of at least 1, found 0"),
        ({"names": "vqav2", "drop_repeated": 1}, "drop_repeated: expected an integer of at least 2, found 1"),
        ({"names": "vqav2", "max_side": 15}, "max_side: expected an integer of at least 16, found 15"),
        ({"names": "vqav2", "mini_size": 100_001}, "mini_size: expected an integer from 1 to 100,000, found 100001"),
        ({"names": "vqav2", "media": "no"}, "media: expected true or false, found 'no'"),
        ({"names": "vqav2", "mirror": "ftp://host"}, "^mirror ftp://host: expected an address that begins with file:"),
        ({"names": "vqav2", "mirror": 5}, "mirror: expected a URL or None, found 5"),
        ({"names": "vqav2", "source": 5}, "source: expected a folder, found 5"),
        ({"names": "vqav2", "split": 5}, "split: expected a text or None, found 5"),
        ({"names": []}, r"names: expected a dataset, or several, found \[\]"),
        ({"names": None}, "names: expected a dataset, or several, found None"),
        ({"names": "vqav2", "home": __file__}, "test_face.py cannot be a home: .*test_face.py is not a folder"),
        ({"names": ["vqav2", "okvqa"], "source": "nowhere"}, "2 of 2 datasets were not built: vqav2, okvqa"),
    ],
)
def test_an_impossible_build_is_an_error(tmp_path: Path, given: dict[str, Any], words: str) -> None:
    with pytest.raises(IbDataError, match=words):
        ib_data.build(**{"home": str(tmp_path / "home"), "workers": 1, **given})
    assert not (tmp_path / "home" / "shards").exists()


def test_the_defaults_of_a_build_are_those_of_its_options() -> None:
    given = {name: found.default for name, found in inspect.signature(ib_data.build).parameters.items()}
    for name, default in defaults_of(Options).items():
        if name not in ("workers", "samples_per_shard"):  # all cores; not to be chosen
            assert given["mini" if name == "miniature" else name] == default


def test_edited_templates_are_read_again(tmp_path: Path) -> None:
    given = {"id": "1", "question": "what is it?", "answers": [{"text": "a cup", "count": 1}]}
    file = tmp_path / "question_answering.toml"
    for text in ("Q: {{ question }}", "Asked: {{ question }}"):
        file.write_text(f"target = '{{{{ answer }}}}'\n[train]\nmine = '{text}'\n")
        found = ib_data.render("vqav2", given, templates=str(tmp_path))
        assert found.instruction == text.replace("{{ question }}", "what is it?")


def test_paths_are_given_as_text_and_as_paths(tiny_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IB_DATA_HOME", str(tiny_home.root))
    text = "target = '{{ answer }}'\n[train]\nmine = 'Q: {{ question }}'\n"
    (tmp_path / "tpl").mkdir()
    (tmp_path / "tpl" / "question_answering.toml").write_text(text)
    (tmp_path / "mine.toml").write_text(
        'rule = "uniform"\n[[members]]\ndataset = "vqav2"\nsplit = "train"\nsize = 40\n'
    )
    options = ib_data.StreamOptions(templates="tpl")
    assert options == ib_data.StreamOptions(templates=tmp_path / "tpl")
    stream = ib_data.open_stream(None, Path("mine.toml"), options=options)
    assert stream.at(0).rendered.template == "mine"
    assert stream.fingerprint == ib_data.open_stream(None, "mine.toml", options=options).fingerprint


def test_a_split_is_indexed_and_iterated_as_a_list(tiny_home: Home) -> None:
    split = ib_data.open_split(tiny_home, "vqav2")
    found = list(split)
    assert found == list(split.annotations())
    assert (split[0], split[-1], split[len(split) - 1]) == (found[0], found[-1], found[-1])
    for row in (len(split), -len(split) - 1):
        with pytest.raises(IndexError, match="there is no row"):
            split[row]
    assert "in 1 shard," in repr(ib_data.open_split(tiny_home, "okvqa"))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda home: ib_data.StreamOptions(images={"image_px": 8}), "images: expected ImageOptions or None, found {"),
        (lambda home: ib_data.StreamOptions(images="x"), "images: expected ImageOptions or None, found 'x'"),
        (lambda home: ib_data.StreamOptions(templates=5), "templates: expected a folder, found 5"),
        (
            lambda home: ib_data.open_stream(home, "vqav2", options=ib_data.ImageOptions()),
            "options: expected StreamOptions or None, found ImageOptions",
        ),
        (
            lambda home: ib_data.open_stream(home, None),
            "mixture: expected a mixture, .* found None",
        ),
        (lambda home: ib_data.open_stream(home, "vqav2", "a"), "seed: expected an integer, found 'a'"),
        (lambda home: ib_data.open_stream(home, "vqav2", 1.5), "seed: expected an integer, found 1.5"),
        (lambda home: ib_data.open_stream(home, "vqav2", shards=5), "shards: expected a URL or None, found 5"),
        (
            lambda home: ib_data.open_stream(home, "vqav2", cache_bytes="1"),
            "cache_bytes: expected an integer, found '1'",
        ),
        (lambda home: ib_data.StreamLoader("vsr", 4), "stream: expected a stream of open_stream, found 'vsr'"),
        (lambda home: ib_data.open_split("vqav2", None), "name: expected the name of a dataset .* found None"),
        (
            lambda home: ib_data.open_split(None, ["vqav2"]),
            r"name: expected the name of a dataset .* found \['vqav2'\]",
        ),
        (lambda home: ib_data.open_split(home, "vqav2", 5), "split: expected a text or None, found 5"),
        (lambda home: ib_data.open_split(5, "vqav2"), "home: expected a folder, found 5"),
        (lambda home: ib_data.query("SELECT 1", None), "sql: expected an SQL statement .* found None"),
        (lambda home: ib_data.render("vqav2", None), "annotation: expected an Annotation or a mapping, found None"),
        (lambda home: ib_data.render(None, {}), "dataset: expected the name of a dataset, found None"),
        (lambda home: ib_data.render("vqav2", {"id": "1"}, position="x"), "position: expected .* found 'x'"),
        (
            lambda home: ib_data.render("vqav2", {"id": "1"}, position=-5),
            "position: expected an integer of at least 0, found -5",
        ),
        (lambda home: ib_data.render("vqav2", {"id": "1"}, seed=1.5), "seed: expected an integer, found 1.5"),
        (lambda home: ib_data.render("vqav2", {"id": "1"}, template=5), "template: expected the name .* found 5"),
        (lambda home: ib_data.render("vqav2", {"id": "1"}, templates=5), "templates: expected a folder, found 5"),
        (lambda home: ib_data.to_datasets(home, None), "name: expected a dataset, a mixture or .* found None"),
        (lambda home: ib_data.to_webdataset(home, "vqav2", epoch="1"), "epoch: expected an integer .* found '1'"),
    ],
)
def test_a_wrong_argument_is_one_line_that_names_it(
    tiny_home: Home, call: Callable[[Home], object], words: str
) -> None:
    with pytest.raises(IbDataError, match=words) as error:
        call(tiny_home)
    assert "\n" not in str(error.value)


@pytest.mark.filterwarnings("default")  # of datasets' own
def test_the_api_page_runs_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IB_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    page = (ROOT / "docs" / "api.md").read_text()
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(compile(block, "docs/api.md", "exec"), names)
    out = capsys.readouterr().out
    assert "vqav2 train" in out
    assert "unknown dataset 'vqa2'; did you mean 'vqav2'?" in out
    shown = set(re.findall(r"`(\w+)`", page.partition("## Build")[0]))
    assert set(ib_data.__all__) - {"QueryResult"} <= shown
    assert all(
        f"ib_data.{name}" in page for name in set(ib_data.__all__) - {"QueryResult", "DataError", "MissingExtraError"}
    )
