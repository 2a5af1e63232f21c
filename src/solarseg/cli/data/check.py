"""``solarseg data check``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solarseg.cli.options import Dataset, GroupRegex, Groups, Quiet
from solarseg.cli.report import counted, is_shown

if TYPE_CHECKING:
    from solarseg.curation.check import Check

__all__ = ["command"]

_SHOWN = 10  # of each kind
_REMEDIES = {
    "copy": "data split and train keep copies in one split; remove unintended copies",
    "copy in another split": "data split --overwrite creates a split that keeps them together",
}
_ERRORS_FOUND = 1


def command(
    dataset: Dataset,
    out: Annotated[
        Path | None, typer.Option(help="CSV file to write with all problems: kind,error,where,what.")
    ] = None,
    groups: Groups = None,
    group_regex: GroupRegex = None,
    split: Annotated[
        Path | None,
        typer.Option(help="CSV file with the columns name,split to check. Default: split.csv of DATASET."),
    ] = None,
    search: Annotated[bool, typer.Option(help="Search for duplicates and near-duplicates.")] = True,
    quiet: Quiet = False,
) -> None:
    """Find errors in a dataset, and leakage between its splits.

    Exits with 1 if errors were found, which must be fixed before training.

    Example: solarseg data check my-cells --out problems.csv
    """
    from solarseg.curation.check import check
    from solarseg.files import check_file

    if out is not None:
        check_file(out)
    found = check(
        dataset, groups=groups, group_regex=group_regex, split=split, search=search, progress=is_shown(quiet)
    )
    print("\n".join(_lines(found)))
    if out is not None:
        found.save(out)
        print(f"\ncomplete list: {out}")
    if found.errors:
        raise typer.Exit(_ERRORS_FOUND)


def _lines(found: "Check") -> list[str]:
    lines = [f"{counted(found.samples, 'sample')} can be read, {found.empty:,} with only background"]
    if not found.searched:
        lines.append("duplicates and near-duplicates were not searched for (--no-search)")
    kinds = dict.fromkeys(problem.kind for problem in found.problems)
    for kind in kinds:
        of_kind = [problem for problem in found.problems if problem.kind == kind]
        mark = "error" if of_kind[0].is_error else "note"
        remedy = f"; {_REMEDIES[kind]}" if kind in _REMEDIES else ""
        lines += ["", f"{mark}: {kind} ({len(of_kind):,}){remedy}"]
        lines += [f"  {problem.where}: {problem.what}" for problem in of_kind[:_SHOWN]]
        if len(of_kind) > _SHOWN:
            lines.append(f"  and {len(of_kind) - _SHOWN:,} more; --out FILE.csv lists all")
    return lines if kinds else [*lines, "no problems found"]
