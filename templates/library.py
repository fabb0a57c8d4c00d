"""The templates of all tasks: the packaged ones, unless a user's folder replaces them."""

from dataclasses import replace
from importlib.resources import files as package_files
from pathlib import Path

from ib_data.errors import IbDataError, UnknownNameError, did_you_mean
from ib_data.tasks import TASKS
from ib_data.templates.template import Template
from ib_data.templates.template_file import TemplateFile, TemplateFileError, parse_file, read_source


class Library:
    """The template files of all tasks. A `TASK.toml` in `folder` replaces the packaged file of that task.

    Each file is read once, when its task is first used; a library does not see later changes.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Raises IbDataError for a `folder` without a template file, or with one not named after a task."""
        self.folder = folder
        self._own = _tasks_in(folder) if folder else frozenset[str]()
        self._files: dict[str, TemplateFile] = {}

    def __repr__(self) -> str:
        return f"Library({str(self.folder)!r})" if self.folder else "Library()"

    def load(self, task: str) -> tuple[Template, ...]:
        """All templates of a task, in the order of their file.

        Raises UnknownNameError for an unknown task, and DataError, with file, line and template, for an invalid key,
        field or text.
        """
        found = self.file(task)
        if found.faults:
            raise found.faults[0]
        return found.templates

    def file(self, task: str) -> TemplateFile:
        """The template file of a task with all its faults. Raises UnknownNameError for an unknown task."""
        if task not in self._files:
            self._files[task] = self._read(task)
        return self._files[task]

    def _read(self, task: str) -> TemplateFile:
        if task not in TASKS:
            raise UnknownNameError(f"unknown task {task!r}; {did_you_mean(task, TASKS)}")
        if self.folder and task in self._own:
            path = self.folder / f"{task}.toml"
            try:
                return parse_file(task, read_source(path), str(path))
            except TemplateFileError as fault:
                return TemplateFile(task, str(path), "", faults=(fault,))
        source = package_files("ib_data.templates").joinpath(f"{task}.toml")
        found = parse_file(task, source.read_text(encoding="utf-8"), f"templates/{task}.toml")
        return replace(found, packaged=True)


# The packaged templates; files are read on first use.
PACKAGED = Library()


def _tasks_in(folder: Path) -> frozenset[str]:
    tasks = sorted(path.stem for path in folder.glob("*.toml"))
    if not tasks:
        raise IbDataError(f"{folder} holds no template file; name them TASK.toml, TASK one of {', '.join(TASKS)}")
    for task in tasks:
        if task not in TASKS:
            raise IbDataError(f"{folder / task}.toml is not named after a task; {did_you_mean(task, TASKS)}")
    return frozenset(tasks)
