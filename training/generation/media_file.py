"""Files of images and clips that are asked about, before anything opens them. Imports no numpy."""

from pathlib import Path

from ib_data.errors import IbDataError, one_line

WORDS = {"image": "an image", "video": "a clip"}


def require_file(path: Path, kind: str) -> None:
    """Raise IbDataError unless `path` is a file."""
    try:
        if path.is_file():
            return
        found = "a folder" if path.is_dir() else "no such file"
    except (OSError, ValueError) as error:  # a name that is too long, or has a null character
        found = f"none ({error.strerror if isinstance(error, OSError) else error})"
    raise IbDataError(f"{shown_name(path)}: expected {WORDS[kind]}, found {found}")


def shown_name(path: Path) -> str:
    """A path for a message: one from a file of questions may hold anything."""
    return one_line(str(path), 300)
