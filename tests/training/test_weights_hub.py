"""Names of models: a folder, or a hub id; every failure of the hub in one line with a remedy."""

import subprocess
import sys
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from ib_data.errors import IbDataError
from ib_data.training.weights.hub import find_folder


def refusal(name: str, home) -> str:
    with pytest.raises(IbDataError) as caught:
        find_folder(name, home)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_folder_is_found_as_given_and_under_the_home(home, tmp_path):
    (tmp_path / "model").mkdir()
    assert find_folder(str(tmp_path / "model"), home) == tmp_path / "model"
    (home.root / "models" / "start").mkdir(parents=True)
    assert find_folder("models/start", home) == home.root / "models" / "start"


def test_a_file_and_a_name_that_is_neither_are_refused(home, tmp_path):
    (tmp_path / "model.safetensors").touch()
    assert "expected a folder, found a file" in refusal(str(tmp_path / "model.safetensors"), home)
    for name in ("/no/such/folder", "/x", "./nosuch", "../x", "~/x", "~nobody/x", "./a/b"):
        assert refusal(name, home).startswith(f"{name}: no such folder; ")
    for name in ("instructblip", "a/b/c", ""):
        message = refusal(name or "-", home)
        assert "neither a folder nor a hub id" in message
        assert "ORGANISATION/NAME" in message


def test_a_hub_id_in_the_cache_needs_no_network(home, tmp_path, monkeypatch):
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--org--start"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "is_offline_mode", lambda: True, raising=False)
    assert find_folder("org/start", home) == snapshot
    message = refusal("org/other", home)
    assert "not in the hub's cache" in message
    assert "hf download org/other" in message
    assert "if it is a folder, check the path" in message


def _answer(kind: type[errors.HfHubHTTPError], status: int) -> errors.HfHubHTTPError:
    return kind("no", response=SimpleNamespace(headers={}, request=None, status_code=status))


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (_answer(errors.GatedRepoError, 403), "ask for access at"),
        (_answer(errors.RepositoryNotFoundError, 404), "neither a folder here nor a model on the hub"),
        (errors.LocalEntryNotFoundError("no\nnetwork"), "hf download org/start"),
        (errors.OfflineModeIsEnabled("offline"), "cannot be reached"),
        (errors.HFValidationError("too long"), "check the spelling"),
        (_answer(errors.HfHubHTTPError, 500), "try again later"),
    ],
)
def test_each_failure_of_the_hub_has_its_remedy(home, monkeypatch, error, told):
    def fail(*_args, **_options):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    assert told in refusal("org/start", home)


def test_only_safetensors_and_settings_are_downloaded(home, monkeypatch, tmp_path):
    asked = {}
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **options: asked.update(options, name=name) or str(tmp_path)
    )
    assert find_folder("org/start", home) == tmp_path
    assert asked.pop("name") == "org/start"
    assert asked == {"allow_patterns": ["*.safetensors", "*.json", "*.txt", "*.model"]}


def test_the_hub_is_not_imported_with_the_module():
    script = "import sys, ib_data.training.weights.hub; print('huggingface_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
