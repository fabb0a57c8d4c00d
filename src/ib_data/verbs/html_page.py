"""Writing the HTML page of `show --html` and `render --html`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ib_data.errors import IbDataError
from ib_data.verbs.previews import Previews

if TYPE_CHECKING:
    from ib_data.cards import Card
    from ib_data.templates.sheet.preview import Entry


def page_title(cards: "list[Card]", what: str) -> str:
    """The page title: the dataset's title, or the number of datasets, and `what`."""
    return f"{cards[0].title if len(cards) == 1 else f'{len(cards)} datasets'}: {what}"


def write_page(path: Path, title: str, entries: Previews, size: "Callable[[Entry], int]") -> int:
    """Write the entries as a contact sheet, and return the sum of their sizes.

    Entries are streamed, since they hold images. Raises IbDataError if the file cannot be written (before anything is
    rendered) or if no entry can be read.
    """
    require_place(path)
    is_new = not path.exists()
    with _writing(path):
        path.open("a").close()  # test that it can be written; an earlier page stays until the new one is ready
    from ib_data.templates.sheet.page import contact_sheet

    sizes: list[int] = []

    def passing() -> "Iterator[Entry]":
        for entry in entries:
            sizes.append(size(entry))
            yield entry

    try:
        page = contact_sheet(title, passing())
        if not sizes:
            entries.raise_problems()
    except BaseException:
        if is_new:
            path.unlink()
        raise
    write_text(path, page)
    return sum(sizes)


def require_place(path: Path) -> None:
    """Raise IbDataError for a path that cannot be a new file."""
    if path.is_dir():
        raise IbDataError(f"--html {path}: is a folder; name a file in it")
    if not path.parent.is_dir():
        raise IbDataError(f"--html {path}: there is no folder {path.parent}; create it, or name another file")


def write_text(path: Path, page: str) -> None:
    """Write a finished page. Raises IbDataError if the file cannot be written."""
    with _writing(path):
        path.write_text(page, encoding="utf-8")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise IbDataError(f"--html {path}: cannot be written ({error.strerror}); name another file") from error
