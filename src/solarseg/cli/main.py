"""The program ``solarseg``."""

import io
import logging
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import typer

from solarseg.cli import benchmark, compare, demo, evaluate, export, inspect, measure, models, predict, train
from solarseg.cli.data.main import app as data
from solarseg.cli.messages import OptionFormatter, as_options, find_command
from solarseg.cli.synth import app as synth
from solarseg.errors import SolarsegError

__all__ = ["app", "main"]

USER_ERROR = 2
STOPPED = 130  # exit code of Typer and of shells after Ctrl-C

_RESUME_HINTS = {
    ("train",): "use the same command with --resume to resume",
    ("predict",): "use the same command to resume",
    ("data", "convert"): "use the same command to resume",
    ("data", "download"): "use the same command to resume",
}

app = typer.Typer(
    name="solarseg",
    help="Find and measure defects in images of solar panels.\n\nStart with: solarseg demo",
    rich_markup_mode=None,  # without rich markup, help takes a third of the time
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
)
for command in (demo, inspect, predict, measure, models, train, evaluate, compare, export, benchmark):
    app.command(command.__name__.rsplit(".", 1)[-1])(command.command)
app.add_typer(data, name="data")
app.add_typer(synth, name="synth")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code: 0 success, 1 partial success, 2 wrong input, 130 stopped by Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(
            stream, io.TextIOWrapper
        ):  # a name that the terminal cannot show must not stop a command
            stream.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    for handler in logging.getLogger().handlers:
        handler.setFormatter(OptionFormatter(partial(_called, words)))
    logging.getLogger("solarseg").setLevel(logging.INFO)
    # Our error messages contain its errors about a file.
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)
    # It says which rules of a style sheet for screens have no meaning on paper.
    logging.getLogger("weasyprint").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")  # warnings of libraries about files that can be read
    try:
        app(args=words)
    except SystemExit as done:
        if done.code == STOPPED:
            hints = [
                hint for command, hint in _RESUME_HINTS.items() if tuple(words[: len(command)]) == command
            ]
            print("; ".join(["stopped", *hints]), file=sys.stderr)
        return int(done.code or 0)
    except SolarsegError as error:
        print(f"error: {as_options(str(error), _called(words))}", file=sys.stderr)
        return USER_ERROR
    except OSError as error:  # a folder without permission, a disk that fails
        print(f"error: {error.filename or 'input or output'}: {error.strerror or error}", file=sys.stderr)
        return USER_ERROR
    return 0


def _called(words: Sequence[str]) -> Any:
    """The command that some words call."""
    return find_command(typer.main.get_command(app), words)
