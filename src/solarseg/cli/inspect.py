"""``solarseg inspect``."""

import re
import sys
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from solarseg.cli.messages import as_options
from solarseg.cli.options import CellSize, Quiet, parse_grid
from solarseg.cli.report import DONE_IN_PART, counted, is_shown
from solarseg.errors import ArgumentError

if TYPE_CHECKING:
    from solarseg.inspection.records import Inspection

__all__ = ["command"]

_NOTHING_DONE = 2
_WORST = 5
_FAILURES = 20


def command(
    context: typer.Context,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="MODULE_IMAGE",
            help="EL photographs of whole modules, folders, or patterns such as 'photos/*.jpg'.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Output folder for index.html, tables and a folder for each module.")
    ],
    cells: Annotated[
        str | None,
        typer.Option(metavar="6x10", help="Rows and columns of cells as in the photograph. Default: found."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="A run folder, a model file, or a model included in solarseg.")
    ] = "el-cell",
    cell_mm: CellSize = None,
    corners: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y,X,Y,X,Y,X,Y",
            help="Outer corners of the area of cells in pixels, clockwise from the upper left, where the module is not "
            "found. Requires --cells.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="REPORT.YAML", help="Company, logo, title and notes for the reports."),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(
            metavar="EARLIER_DIR",
            help="Output folder of an earlier inspection of the same modules, to compare with.",
        ),
    ] = None,
    series: Annotated[
        Path | None,
        typer.Option(
            metavar="SERIES.CSV",
            help="Table with the columns image, module and a quantity, for example 'pressure (Pa)': compares all "
            "photographs of a module with its first, and plots over the quantity.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Inspect all photographs again, and replace existing files.")
    ] = False,
    quiet: Quiet = False,
    pdf: Annotated[bool, typer.Option("--pdf/--no-pdf", help="Write report.pdf.")] = True,
    processes: Annotated[
        int | None,
        typer.Option(help="Number of processes that inspect photographs. Default: one for each core."),
    ] = None,
) -> None:
    """Inspect EL photographs of whole modules.

    Finds modules and cells, their defects, dark cells and the lost power. Writes an index, a report for each module,
    tables, and all defects in pixels of the photographs. The same command again resumes an interrupted one.

    Example: solarseg inspect photos/*.jpg --out inspected --cell-mm 156
    """
    from solarseg.inspection.inspect import inspect

    done = inspect(
        images,
        out,
        cells=None if cells is None else parse_grid(cells),
        model=model,
        cell_mm=cell_mm,
        corners=None if corners is None else _parse_corners(corners),
        config=config,
        compare=compare,
        series=series,
        overwrite=overwrite,
        pdf=pdf,
        processes=processes,
        progress=is_shown(quiet),
    )
    if done.modules:
        _print_result(done, compare)
    if done.failed:
        _print_failures(done, context)
        raise typer.Exit(DONE_IN_PART if done.modules else _NOTHING_DONE)


def _parse_corners(text: str) -> list[float]:
    try:
        return [float(number) for number in re.split(r"[,;\s]+", text.strip(" ,;"))]
    except ValueError as error:
        raise ArgumentError(f"--corners {text}: must be eight numbers, X,Y,X,Y,X,Y,X,Y") from error


def _print_result(done: "Inspection", compare: Path | None) -> None:
    from solarseg.inspection.layout import InspectionPaths

    print(
        f"{counted(len(done.modules), 'module')} inspected, {done.defective:,} of {counted(done.cells, 'cell')} with "
        f"defects: {InspectionPaths(done.folder).index}"
    )
    if done.skipped:
        print(f"  {counted(done.skipped, 'photograph')} of a previous run, not inspected again")
    rows = done.rows()
    for row in sorted(rows, key=lambda row: -row["severity"])[:_WORST]:
        print(f"  severity {row['severity']:.3f}  {row['module']}: {_describe(row)}")
    if len(rows) > _WORST:
        print("  ... modules.csv contains all modules")
    left = 0 if compare is None else sum(row["compared_with"] is None for row in rows)
    if left:
        print(f"  {counted(left, 'module')} not compared with {compare}; the notes in modules.csv say why")


def _describe(row: Mapping[str, Any]) -> str:
    """Describe a module, a row of modules.csv."""
    parts = [
        f"{row['rows']} x {row['columns']} cells",
        f"{row['defective_cells']} with defects",
        f"{row['inactive_share']:.1%} inactive",
    ]
    if row["compared_with"] is not None:
        parts.insert(2, f"{row['new_cells'] + row['grown_cells']} with new or grown defects")
    if row["loss"] is not None:
        parts.append(f"{row['loss']:.1f}% of power lost ({row['loss_low']:.1f}% to {row['loss_high']:.1f}%)")
    return ", ".join(parts)


def _print_failures(done: "Inspection", context: typer.Context) -> None:
    print(f"{len(done.failed)} failed:", file=sys.stderr)
    for file, reason in islice(done.failed.items(), _FAILURES):
        print(f"  {file}: {as_options(reason, context.command)}", file=sys.stderr)
    if len(done.failed) > _FAILURES:
        more = f"  and {len(done.failed) - _FAILURES:,} more"
        print(f"{more}, which index.html lists" if done.modules else more, file=sys.stderr)
