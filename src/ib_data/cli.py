"""The command line: a verb's module is imported only when that verb runs, so that `--help` stays fast."""

import codecs
import importlib
import io
import os
import sys

import click

from ib_data import __version__
from ib_data.console import NORMAL, set_verbosity
from ib_data.errors import IbDataError, did_you_mean, one_line, os_error_line
from ib_data.interrupts import Interrupted
from ib_data.verbs.common import finished

# verb -> its first help line, here so that the list of verbs needs no import; a test compares them.
VERBS = {
    "list": "List all datasets: task, role, sizes, what is built.",
    "build": "Build datasets: official files to shards, index and manifest.",
    "check": "Verify built datasets against their checksums.",
    "show": "Show samples with their instructions, in the terminal or as HTML.",
    "card": "Show the facts about a dataset, and what is built of it.",
    "templates": "List the instruction templates.",
    "render": "Print instructions and targets as training sees them.",
    "mixture": "Show the weights of a mixture and the sequence it draws.",
    "sql": "Query the catalog with DuckDB, read-only.",
    "stream": "Read a mixture as training does, and measure the speed.",
    "model": "Make and inspect model folders.",
    "train": "Tune the Q-Former on a mixture.",
    "generate": "Answer a prompt about an image.",
    "evaluate": "Score a model on datasets by their official metrics.",
    "score": "Score predictions by the official metrics, without a model.",
    "compare": "Compare two reports of evaluations, with a paired test.",
    "rm": "Delete built datasets: shards, index and manifest.",
    "clean": "Delete caches and leftovers, after listing their sizes.",
    "doctor": "Report what this machine can do and what is missing.",
    "completion": "Print a shell completion script for verbs, options and names.",
}


class LazyGroup(click.Group):
    """A group that finds a verb in `ib_data.verbs` when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of a working day."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of one verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"ib_data.verbs.{cmd_name}")
        command: click.Command = module.command
        return finished(command, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it, with the nearest verb for an unknown one."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(f"no such verb {args[0]!r}; {did_you_mean(args[0], VERBS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs with their first help lines, without importing any of them."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="ib-data")
def group() -> None:
    """InstructBLIP's data: official files to shards, mixtures, instructions and training runs.

    \b
    ib-data list                     what there is
    ib-data build vsr --mini         build one dataset from the bundled miniature
    ib-data show vsr -n 3            look at it
    ib-data VERB --help              what a verb takes, with an example

    Every option can be set in the environment, for one verb (build --max-side: IB_DATA_BUILD_MAX_SIDE) or for all verbs
    that have it (IB_DATA_MAX_SIDE). Options that delete or replace data are only read from the command line.
    """


def main() -> None:
    """Run the command line. Exit code 0: done. 1: a failure, in one line on standard error. 2: wrong usage."""
    _print_as_utf8()
    try:
        set_verbosity(NORMAL)
        group.main(standalone_mode=False, prog_name="ib-data")  # also under `python -m ib_data`
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except IbDataError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(os_error_line(error))
    except (KeyboardInterrupt, click.Abort) as error:
        told = error.__cause__ if isinstance(error, click.Abort) else error
        if isinstance(told, Interrupted):
            _fail(str(told), told.exit_code)
        _fail("interrupted; run the same command again to continue", 130)


def _print_as_utf8() -> None:
    """Print UTF-8 even where the locale is ASCII: captions and questions are not ASCII.

    Bytes of file names that the locale cannot read are written unchanged.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name == "ascii":
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")


def _fail(message: str, code: int = 1) -> None:
    print(f"ib-data: {one_line(message)}", file=sys.stderr)
    sys.exit(code)
