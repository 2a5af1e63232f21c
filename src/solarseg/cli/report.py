"""What commands print, and where."""

import sys
from collections.abc import Mapping

import typer

__all__ = ["DONE_IN_PART", "counted", "is_shown", "report_failures"]

DONE_IN_PART = 1
_SHOWN = 20


def is_shown(quiet: bool) -> bool:
    """Whether to show progress: rich would leave blank lines in a file or a pipe."""
    return not quiet and sys.stdout.isatty()


def counted(number: int, noun: str) -> str:
    """Write a number with its noun.

    Examples:
        >>> counted(1, "sample"), counted(1200, "sample")
        ('1 sample', '1,200 samples')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def report_failures(failed: Mapping[str, str]) -> None:
    """Print what could not be done, and leave with exit code 1 if anything could not."""
    if not failed:
        return
    print(f"{len(failed)} could not be done:", file=sys.stderr)
    for reason in list(failed.values())[:_SHOWN]:
        print(f"  {reason}", file=sys.stderr)
    if len(failed) > _SHOWN:
        print(f"  and {len(failed) - _SHOWN} more", file=sys.stderr)
    raise typer.Exit(DONE_IN_PART)
