"""OCR-VQA: questions about the title, the author and the kind of a book, on its cover; covers are fetched by URL."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from ib_data.builders.source.files import Files
from ib_data.builders.source.row import Drop, MediaRef, Row, clean, count_answers, extra
from ib_data.sample import Annotation
from ib_data.strict import Table

SPLITS = {"train": 1, "validation": 2, "test": 3}
_EXTENSIONS = (".jpg", ".jpeg", ".png", ".gif", ".webp")


def rows(files: Files) -> Iterator[Row | Drop]:
    """One annotation per question about the books of this split, with the id BOOK-NUMBER (counted from 0)."""
    own = {i: book for i, book in files.keyed("annotations") if _split_of(book) == SPLITS[files.split]}
    covers = _covers(own)
    for book_id, book in own.items():
        questions, answers = book.texts("questions"), book.texts("answers")
        if len(questions) != len(answers):
            raise book.error(f"{len(questions)} questions and {len(answers)} answers")
        media = covers.get(clean(book.get("imageURL", str)))
        kept = {key: clean(book.get(key, str, "")) for key in ("title", "authorName", "genre")}
        for number, (question, answer) in enumerate(zip(questions, answers, strict=True)):
            row_id = f"{book_id}-{number}"
            if media is None:
                yield Drop(row_id, "no URL")
                continue
            annotation = Annotation(
                id=row_id, question=clean(question), answers=count_answers([answer]), extra=extra(**kept)
            )
            yield Row(media, annotation)


def _split_of(book: Table) -> int:
    split = book.get("split", int)
    if split not in SPLITS.values():
        raise book.error(f"'split': expected 1 (train), 2 (validation) or 3 (test), found {split}")
    return split


def _covers(books: dict[str, Table]) -> dict[str, MediaRef]:
    """The cover for every URL. Books with the same URL share it under the smallest of their ids, as in `images/`."""
    names: dict[str, str] = {}
    for book_id, book in books.items():
        url = clean(book.get("imageURL", str))
        names[url] = min(book_id, names.get(url, book_id))
    return {url: MediaRef("ocrvqa_covers", f"{name}{_extension(url)}", url) for url, name in names.items() if url}


def _extension(url: str) -> str:
    # The extension keeps its case: the authors' script takes it from the URL.
    suffix = PurePosixPath(url.partition("?")[0]).suffix
    return suffix if suffix.lower() in _EXTENSIONS else ".jpg"
