"""The documents' queries and snippets run as they stand."""

import re
from pathlib import Path

import pytest

from ib_data.home import Home
from ib_data.mixtures import load_mixture
from ib_data.mixtures.catalog import query

DOCS = Path(__file__).parents[2] / "docs"
QUERIES = dict(
    re.findall(r"^## ([^\n]+)\n\n```sql\n(.*?)```", (DOCS / "duckdb.md").read_text(), re.MULTILINE | re.DOTALL)
)


def test_there_are_at_least_six_queries() -> None:
    assert len(QUERIES) >= 6


@pytest.mark.parametrize("title", QUERIES)
def test_a_query_of_the_document_runs_with_and_without_data(title: str, tiny_home: Home, empty_home: Home) -> None:
    columns, rows = query(tiny_home, QUERIES[title])
    assert rows or title.startswith("Images that several")  # the tiny home shares no image
    assert query(empty_home, QUERIES[title])[0] == columns


def test_the_query_for_shared_images_finds_them(tmp_path: Path, tiny_home: Home) -> None:
    sql = QUERIES["Images that several datasets hold, by content"]
    doubled = f"WITH both_sets AS (FROM samples UNION ALL SELECT * REPLACE ('copy' AS dataset) FROM samples) {sql}"
    rows = query(tiny_home, doubled.replace("FROM samples\nWHERE", "FROM both_sets\nWHERE"))[1]
    assert len(rows) == 32
    assert rows[0][1][0] in ("coco_caption", "copy")


def test_the_spec_of_the_document_is_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(.*?)```", (DOCS / "mixtures.md").read_text(), re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(text)
    assert load_mixture(path).members[0].scale == 1.5


def test_the_snippet_of_the_document_runs(
    tiny_home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (text,) = re.findall(r"```python\n(.*?)```", (DOCS / "mixtures.md").read_text(), re.DOTALL)
    monkeypatch.setenv("IB_DATA_HOME", str(tiny_home.root))
    names: dict[str, object] = {}
    exec(compile(text, "docs/mixtures.md", "exec"), names)
    assert names["start"] == 32
    assert len(capsys.readouterr().out.splitlines()) == 4
