"""The specs and snippets of docs/mixtures.md, docs/streaming.md and README.md run as written."""

import re
from pathlib import Path

import pytest

from ib_data.home import Home
from ib_data.mixtures.spec.built_members import require_known
from ib_data.mixtures.spec.spec_file import load_mixture

DOCS = Path(__file__).parents[3] / "docs"


def test_the_specs_of_the_document_are_read(tmp_path: Path) -> None:
    plain, derived, staged = re.findall(r"```toml\n(.*?)```", (DOCS / "mixtures.md").read_text(), re.DOTALL)
    path = tmp_path / "mine.toml"
    path.write_text(plain)
    assert load_mixture(path).members[0].scale == 1.5
    path.write_text(derived)
    assert load_mixture(path).names[-1] == "ocrvqa/question_generation"
    require_known(load_mixture(path))
    path.write_text(staged)
    assert load_mixture(path).starts == (0, 512_000)
    require_known(load_mixture(path))


def test_the_snippet_of_the_document_runs(
    tiny_home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (text,) = re.findall(r"```python\n(.*?)```", (DOCS / "mixtures.md").read_text(), re.DOTALL)
    monkeypatch.setenv("IB_DATA_HOME", str(tiny_home.root))
    names: dict[str, object] = {}
    exec(compile(text, "docs/mixtures.md", "exec"), names)
    assert names["start"] == 32
    assert len(capsys.readouterr().out.splitlines()) == 4


@pytest.mark.parametrize("page", ["docs/streaming.md", "README.md"])
def test_the_snippets_for_pytorch_run(picture_home: Home, page: str) -> None:
    (text,) = re.findall(r"```python\n((?:from|import) ib_data.*?)```", (DOCS.parent / page).read_text(), re.DOTALL)
    assert '"~/ib_data"' in text
    text = text.replace('"~/ib_data"', repr(str(picture_home.root)))
    text = re.sub(r"workers=\d", "workers=0", text).replace("image_px=224", "image_px=16")
    names: dict[str, object] = {}
    exec(compile(text, page, "exec"), names)
    state = names["state"]
    assert isinstance(state, dict)
    assert state["position"] % 128 == 0
    assert state["position"] > 0
