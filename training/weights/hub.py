"""Find a model folder: a start of the package, a folder on disk, or a hub id in the cache of `huggingface_hub`."""

import re
from pathlib import Path

from ib_data.console import debug, note
from ib_data.errors import DataError, IbDataError, MissingExtraError, one_line
from ib_data.home import Home
from ib_data.training.weights.config_file import CONFIG
from ib_data.training.weights.miniature import MINIATURES, miniature_folder

_PATH = re.compile(r"[./~]")
_HUB_ID = re.compile(r"(?![.])[\w.-]+/[\w.-]+", re.ASCII)
# Weights as safetensors only: a pickle can run code when it is loaded.
_PATTERNS = ["*.safetensors", "*.json", "*.txt", "*.model"]


def find_folder(name: str, home: Home) -> Path:
    """The folder called `name`: one of MINIATURES, as given, under the home, or from the hub (`ORGANISATION/NAME`).

    The miniature's is assembled if the home has none. Files that are in the cache of `huggingface_hub` are not
    downloaded again. Raises IbDataError if there is no such folder, and if the hub cannot be reached, does not know the
    name or asks for access.
    """
    if name in MINIATURES:
        if Path(name, CONFIG).is_file():
            note(f"{name} is the start that ib-data ships; the folder of that name here is ./{name}")
        return miniature_folder(home, name)
    if folder := folder_here(name, home):
        return folder
    if not _HUB_ID.fullmatch(name):
        what = "no such folder" if _PATH.match(name) else "neither a folder nor a hub id"
        raise DataError(name, what, remedy="name a model folder, or a hub id such as ORGANISATION/NAME")
    return _downloaded(name)


def folder_here(name: str, home: Home) -> Path | None:
    """The folder called `name`, as given or under the home; None if there is none. Raises DataError for a file."""
    for folder in (Path(name).expanduser(), home.root / name):
        if folder.is_dir():
            return folder
        if folder.is_file():
            raise DataError(str(folder), "expected a folder, found a file", remedy="name the folder it is in")
    return None


def _downloaded(name: str) -> Path:
    try:
        from huggingface_hub import errors, snapshot_download
    except ImportError as error:
        remedy = "pip install 'ib-data[train]', or name a folder"
        raise MissingExtraError(f"model {name}: a hub id needs huggingface_hub ({error}); {remedy}") from error
    debug(f"{name}: no such folder, looking on the hub")
    try:
        return Path(snapshot_download(name, allow_patterns=_PATTERNS))
    except errors.GatedRepoError as error:
        page = f"ask for access at https://huggingface.co/{name} and run `hf auth login`"
        raise _fault(name, "the hub asks for permission", page) from error
    except errors.RepositoryNotFoundError as error:
        remedy = "check the path; for a hub id its spelling, or run `hf auth login` if it is private"
        raise _fault(name, "neither a folder here nor a model on the hub", remedy) from error
    except (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        ways = f"connect, or run `hf download {name}` on another machine and name the copied folder"
        remedy = f"if it is a folder, check the path; if a hub id, {ways}"
        raise _fault(name, "no folder here, not in the hub's cache, and the hub cannot be reached", remedy) from error
    except errors.HFValidationError as error:
        raise _fault(name, f"neither a folder here nor a hub id ({error})", "check the spelling") from error
    except errors.HfHubHTTPError as error:
        raise _fault(name, f"the hub answered with an error ({error})", "try again later, or name a folder") from error


def _fault(name: str, problem: str, remedy: str) -> IbDataError:
    return DataError(name, one_line(problem, 300), remedy=remedy)
