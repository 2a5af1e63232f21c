"""What commands print when something could not be done."""

import sys
from collections.abc import Mapping

import typer

__all__ = ["DONE_IN_PART", "report_failures"]

DONE_IN_PART = 1
_SHOWN = 20


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
