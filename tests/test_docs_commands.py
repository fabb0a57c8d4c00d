"""Every `ib-data` line of the docs parses with the real commands; none is run."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ib_data.cli import group

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SCRIPTS = [ROOT / "docs" / "demo.sh"]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELLS = ("", "sh", "bash", "console", "shell")
OTHER_PROGRAMS = {"--shm-size", "--write"}  # of docker, of the benchmarks
Words = list[str]


def lines_of_blocks(text: str) -> Iterator[str]:
    """The lines of shell blocks that call ib-data; a quoted text or a backslash may carry one over several lines."""
    for language, block in FENCED.findall(text):
        if language not in SHELLS:
            continue
        line = ""
        for part in block.replace("\\\n", " ").splitlines():
            line = f"{line}\n{part}" if line else part.strip().removeprefix("$ ")
            if not line.startswith("ib-data "):
                line = ""
            elif is_whole(line):
                yield line
                line = ""
        assert not line, f"a quote is left open: {line}"


def is_whole(line: str) -> bool:
    try:
        shlex.split(line, comments=True)
    except ValueError:
        return False
    return True


def inline(text: str) -> list[str]:
    """The inline code of a page."""
    return [" ".join(found.split()) for found in re.findall(r"`([^`]+)`", FENCED.sub("", text))]


def words_of(line: str) -> Words:
    """The arguments of one command, without a comment and what it is piped into."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
    lexer.whitespace_split = True
    words = []
    for word in lexer:
        if set(word) <= set("|;&<>"):
            break
        words.append(word)
    return words[1:]


def resolve(words: Words) -> tuple[click.Command, click.Context, Words]:
    """The command that a line calls, and the words that are left for it."""
    command, context, left = group, click.Context(group, info_name="ib-data"), list(words)
    found: click.Command = command
    while isinstance(found, click.Group) and not is_help(left):
        name = left[0] if left else ""
        child = found.get_command(context, name)
        assert child is not None, f"no such verb: {name}"
        left = left[1:] if name in found.list_commands(context) else left  # else the group has a default
        found, context = child, click.Context(child, parent=context, info_name=name)
    return found, context, left


def is_help(words: Words) -> bool:
    return words in (["--help"], ["-h"], ["--version"])


def parse(words: Words, *, is_example: bool) -> None:
    """Fail where the words are no call of ib-data; of a mention in a sentence the arguments may be left out."""
    command, context, left = resolve(words)
    if is_help(left):
        return
    values, rest, _ = command.make_parser(context).parse_args(list(left))
    assert not rest, f"arguments too many: {rest}"
    for param in command.params:
        value = values.get(param.name or "")
        if value in (None, ()) or repr(value).endswith("UNSET"):
            assert not (is_example and param.required), f"{param.name} is missing"
        elif may_convert(param, value):
            param.type_cast_value(context, value)


def may_convert(param: click.Parameter, value: object) -> bool:
    """Whether a value can be judged by its text alone, and is no word such as N that stands for one."""
    if type(param.type).__module__ != "click.types" or isinstance(param.type, click.Path | click.File):
        return False
    return not (isinstance(value, str) and re.fullmatch(r"[A-Z_]+|[a-z]", value))


@pytest.mark.parametrize("page", [*PAGES, *SCRIPTS], ids=lambda page: page.name)
def test_every_command_of_a_page_parses(page: Path) -> None:
    text = page.read_text()
    if page in SCRIPTS:
        lines = [line.removeprefix("run ") for line in text.splitlines() if line.startswith("run ib-data")]
        assert lines
    else:
        lines = list(lines_of_blocks(text))
    for line in lines:
        try:
            parse(words_of(line), is_example=True)
        except (AssertionError, click.ClickException) as error:
            pytest.fail(f"{page.name}: {line}: {getattr(error, 'message', error)}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_in_a_sentence_parses(page: Path) -> None:
    for code in inline(page.read_text()):
        if not code.startswith("ib-data ") or re.match(r"ib-data [A-Z]", code):
            continue
        try:
            parse(words_of(re.sub(r"\[|\]|\.\.\.", "", code)), is_example=False)
        except (AssertionError, click.ClickException) as error:
            pytest.fail(f"{page.name}: `{code}`: {getattr(error, 'message', error)}")


def options_of(command: click.Command, context: click.Context) -> set[str]:
    """The options of a command and of all commands under it."""
    found = {name for param in command.params if isinstance(param, click.Option) for name in param.opts}
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            found |= options_of(child, click.Context(child, parent=context, info_name=name))
    return found


def test_every_option_in_a_sentence_exists() -> None:
    known = options_of(group, click.Context(group)) | {"--help", "--version"} | OTHER_PROGRAMS
    for page in PAGES:
        for code in inline(page.read_text()):
            if code.startswith("--"):
                option = re.split(r"[ =]", code)[0]
                assert option in known, f"{page.name}: `{code}` is an option of no command"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("ib-data bild vsr", "no such verb: bild"),
        ("ib-data build vsr --no-such", "No such option"),
        ("ib-data build --mini", "names is missing"),
        ("ib-data build vsr --split dev", "'dev' is not one of"),
        ("ib-data mixture show a b", "arguments too many"),
        ("ib-data mixture shwo demo", "no such verb: shwo"),
        ("ib-data model export runs/mine", "out is missing"),
    ],
)
def test_a_wrong_line_is_found(line: str, fault: str) -> None:
    with pytest.raises((AssertionError, click.ClickException)) as found:
        parse(words_of(line), is_example=True)
    assert fault in str(getattr(found.value, "message", found.value))


def test_continued_lines_of_blocks_are_joined() -> None:
    shell = '```\n$ ib-data sql "FROM\ndamaged" | head  # all\nother\nib-data card \\\n  vsr\n```\n'
    text = f"{shell}```python\nib-data no\n```\n"
    assert [words_of(line) for line in lines_of_blocks(text)] == [["sql", "FROM\ndamaged"], ["card", "vsr"]]
