"""Functions that print results."""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

__all__ = ["DONE_IN_PART", "counted", "is_shown", "print_worst", "report_failures", "report_left_out"]

if TYPE_CHECKING:
    from solarseg.datasets.left_out import LeftOutItems
    from solarseg.prediction.measurements import Measured

DONE_IN_PART = 1
_SHOWN = 20
_WORST = 5


def is_shown(quiet: bool) -> bool:
    """Return whether to show progress; in a file or a pipe, rich would print blank lines."""
    return not quiet and sys.stdout.isatty()


def counted(number: int, noun: str) -> str:
    """Format a number with a noun.

    Examples:
        >>> counted(1, "sample"), counted(1200, "sample")
        ('1 sample', '1,200 samples')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def report_failures(failed: Mapping[str, str]) -> None:
    """Print failures, and exit with 1 if there are any."""
    if not failed:
        return
    print(f"{len(failed)} failed:", file=sys.stderr)
    for reason in list(failed.values())[:_SHOWN]:
        print(f"  {reason}", file=sys.stderr)
    if len(failed) > _SHOWN:
        print(f"  and {len(failed) - _SHOWN} more", file=sys.stderr)
    raise typer.Exit(DONE_IN_PART)


def report_left_out(left_out: "LeftOutItems", listed: Path | None = None) -> None:
    """Print what was left out, and the file with the complete list."""
    from solarseg.datasets.left_out import describe_left_out

    if left_out:
        print("\n  ".join(["left out:", *describe_left_out(left_out)]))
        if listed is not None:
            print(f"  complete list: {listed}")


def print_worst(cells: Mapping[str, "Measured"]) -> None:
    """Print the cells of the highest severity without warnings, and all warnings."""
    ordered = sorted(
        (item for item in cells.items() if not item[1].warnings), key=lambda item: -item[1].cell.severity
    )
    for name, one in ordered[:_WORST]:
        if one.cell.severity > 0:
            pixels, mm = one.cell.crack_length, one.cell.crack_length_mm
            print(
                f"  severity {one.cell.severity:.3f}  {name}: {one.cell.inactive_share:.1%} inactive, "
                f"cracks of {counted(round(pixels), 'pixel') if mm is None else f'{mm:,.0f} mm'}, "
                f"{counted(one.cell.finger_interruptions, 'finger interruption')}"
            )
    if sum(one.cell.severity > 0 for _, one in ordered) > _WORST:
        print("  ... measurements.csv contains all cells")
    warnings = Counter(warning for one in cells.values() for warning in one.warnings)
    for warning, count in warnings.items():
        first = next(name for name, one in cells.items() if warning in one.warnings)
        others = f" and {counted(count - 1, 'other')}" if count > 1 else ""
        print(f"warning: {first}{others}: {warning}", file=sys.stderr)
