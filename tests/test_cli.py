"""The command line: fast help, no heavy imports, clear errors for wrong usage."""

import errno
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ib_data.cli import VERBS, group

HEAVY = ("torch", "transformers", "datasets", "duckdb", "pyarrow", "numpy", "PIL", "requests", "webdataset", "jinja2")


# Mistakes in how a command is written, and names of datasets, tasks and files that are not there.
WRONG = {
    2: (
        "render --nope", "show vsr -n 0", "templates stats -n x", "mixture show", "mixture draw demo -n 0", "check",
        "stream demo -n x", "stream demo --rank 1", "sql a b", "render vsr --json --html page.html",
        "build vsr --mirror ftp://host", "templates lint --templates none", "list --task nope", "completion tcsh",
        "card vqa2", "build vqa2", "show vqa2", "render vqa2", "check vqa2", "templates stats vqa2", "templates nope",
        "train nope", "train nope.toml", "train miniature stps=3", "rm vqa2", "rm vqav2_qg",
    ),
    1: ("generate --image none.jpg --prompt x", "check vsr", "rm vsr", "clean"),
}  # fmt: skip


def imported(arguments: list[str], home: Path) -> list[str]:
    """A line for each of the `arguments`, run one after another in a fresh process.

    It names the exit code and what is loaded of HEAVY by then.
    """
    script = (
        "import sys; from ib_data.cli import main\n"
        "for line in sys.argv[1:]:\n"
        "    sys.argv = ['ib-data', *line.split()]\n"
        "    code = 0\n"
        "    try: main()\n    except SystemExit as stop: code = stop.code or 0\n"
        f"    print('imported', *(set({HEAVY}) & set(sys.modules)), 'by', line, '->', code)"
    )
    command = [sys.executable, "-c", script, *arguments]
    env = {"IB_DATA_HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return [line for line in done.stdout.splitlines() if line.startswith("imported")]


@pytest.mark.parametrize("line", ["--help", "list", "--version"])
def test_the_front_door_imports_nothing_heavy(line: str, tmp_path: Path) -> None:
    assert imported([line], tmp_path) == [f"imported by {line} -> 0"]


def test_no_help_text_imports_anything_heavy(tmp_path: Path) -> None:
    inner = ("templates lint", "templates stats", "mixture show", "mixture diff", "mixture draw")
    lines = [f"{verb} --help" for verb in (*VERBS, *inner)]
    assert imported(lines, tmp_path) == [f"imported by {line} -> 0" for line in lines]


def test_no_help_text_reads_cards(tmp_path: Path) -> None:
    script = (
        "import sys; from click.testing import CliRunner; from ib_data.cli import group\n"
        "for line in sys.argv[1:]:\n"
        "    assert CliRunner().invoke(group, line.split()).exit_code == 0, line\n"
        "    loaded = sorted({'yaml', 'jinja2', 'ib_data.cards'} & set(sys.modules))\n"
        "    assert not loaded, f'{line} loads {loaded}'"
    )
    lines = [f"{verb} --help" for verb in (*VERBS, "templates lint", "templates stats", "mixture show", "mixture draw")]
    done = subprocess.run([sys.executable, "-c", script, *lines], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr.splitlines()[-1]


@pytest.mark.parametrize("code", WRONG)
def test_wrong_usage_or_an_unknown_dataset_imports_nothing_heavy(code: int, tmp_path: Path) -> None:
    assert imported(list(WRONG[code]), tmp_path) == [f"imported by {line} -> {code}" for line in WRONG[code]]


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_with_an_example(verb: str, cli) -> None:
    command = group.get_command(click.Context(group), verb)
    assert command is not None
    assert command.help.splitlines()[0] == VERBS[verb]
    text = cli(verb, "--help").out
    assert f"ib-data {verb}" in text
    assert "--home" in text or isinstance(command, click.Group) or verb in ("templates", "completion")


def test_wrong_usage_is_exit_code_2_and_names_the_nearest(cli) -> None:
    result = cli("biuld", "vqav2")
    assert result.code == 2
    assert "no such verb 'biuld'; did you mean 'build'?" in result.err
    result = cli("build", "vqav2", "--alow-missing")
    assert result.code == 2
    assert "--allow-missing" in result.err
    assert cli("build").code == 2


def test_help_names_every_verb(cli) -> None:
    result = cli("--help")
    assert result.code == 0
    assert all(verb in result.out for verb in VERBS)


def test_interrupted_says_how_to_go_on(cli, monkeypatch, home) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ib_data.cards.named.card_names", interrupt)
    result = cli("build", "all", "--home", home.root)
    assert result.code == 130
    assert result.err.strip() == "ib-data: interrupted; run the same command again to continue"


def test_doctor_names_a_remedy_for_everything_missing(cli, home) -> None:
    result = cli("doctor", "--home", home.root)
    assert result.code == 0
    assert "ib-data build vsr --mini" in result.out
    assert str(home.root) in result.out


@pytest.mark.parametrize("verb", ["list", "doctor", "check vsr", "build vsr --mini", "sql --format json"])
def test_a_home_that_cannot_be_a_folder_is_one_line(verb: str, cli, tmp_path: Path, monkeypatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for chosen in (file, file / "inner"):
        monkeypatch.setenv("IB_DATA_HOME", str(chosen))
        result = cli(*verb.split())
        assert (result.code, result.out) == (1, "")
        assert result.err == f"ib-data: {chosen} cannot be a home: {file} is not a folder; choose another home\n"
        monkeypatch.delenv("IB_DATA_HOME")
        assert cli(*verb.split(), "--home", chosen) == result


def test_a_device_as_home_is_an_error(cli) -> None:
    result = cli("list", "--home", "/dev/null")
    assert (result.code, result.err) == (
        1,
        "ib-data: /dev/null cannot be a home: /dev/null is not a folder; choose another home\n",
    )


def test_an_unreadable_folder_is_not_called_unwritable(cli, home, monkeypatch) -> None:
    def closed(self: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "exists", closed)
    result = cli("list", "--home", home.root)
    assert result.code == 1
    assert f"{home.root}: Permission denied" in result.err
    assert "choose another --home" in result.err


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ("vqav2_qg", "vqav2 is not built here; run `ib-data build vqav2`"),
        ("all", "nothing of all is built in {home}; run `ib-data build all`"),
        ("held-in vsr", "vsr is not built here; run `ib-data build vsr`"),
    ],
)
def test_check_of_what_is_not_built_does_not_pass(names: str, says: str, cli, home) -> None:
    for form in ((), ("--json",)):
        result = cli("check", *names.split(), *form, "--home", home.root)
        assert (result.code, result.out) == (1, "")
        assert result.err == f"ib-data: {says.format(home=home.root)}\n"


def test_check_looks_for_all_that_is_named_before_it_hashes_the_first(cli, home, monkeypatch) -> None:
    assert cli("build", "vsr", "--mini", "--no-media", "--workers", 1, "--home", home.root).code == 0

    def hashed(path: Path) -> str:
        raise AssertionError(f"{path} was hashed")

    monkeypatch.setattr("ib_data.builders.write.check.sha256_of", hashed)
    result = cli("check", "vsr", "coco_caption", "--home", home.root)
    assert (result.code, result.out) == (1, "")
    assert result.err == "ib-data: coco_caption is not built here; run `ib-data build coco_caption`\n"


def test_a_page_that_cannot_be_written_is_said_before_anything_is_rendered(cli, home, monkeypatch, tmp_path) -> None:
    assert cli("build", "vsr", "--mini", "--no-media", "--workers", 1, "--home", home.root).code == 0
    page = tmp_path / "page.html"
    page.write_text("an earlier page")
    real = Path.open

    def closed(self: Path, *arguments: object, **options: object) -> object:
        if self == page:
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return real(self, *arguments, **options)

    def rendered(*_: object) -> str:
        raise AssertionError("rendered")

    monkeypatch.setattr("ib_data.templates.sheet.page.contact_sheet", rendered)
    with pytest.raises(AssertionError, match="rendered"):
        cli("show", "vsr", "--html", page, "--home", home.root)
    assert page.read_text() == "an earlier page"
    monkeypatch.setattr(Path, "open", closed)
    result = cli("show", "vsr", "--html", page, "--home", home.root)
    assert result.code == 1
    assert result.err == f"ib-data: --html {page}: cannot be written (Permission denied); name another file\n"


def test_the_verbs_stay_thin() -> None:
    verbs = Path(__file__).parents[1] / "src" / "ib_data" / "verbs"
    lengths = {str(path.relative_to(verbs)): path.read_text().count("\n") for path in verbs.rglob("*.py")}
    assert not {name: n for name, n in lengths.items() if n > (120)}
