"""``solarseg data check``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solarseg.cli.options import Dataset, GroupRegex, Groups, Quiet
from solarseg.cli.report import counted, is_shown
from solarseg.errors import ArgumentError

if TYPE_CHECKING:
    from solarseg.curation.check import Check

__all__ = ["command"]

_SHOWN = 10  # of each kind
_REMEDIES = {
    "copy": "data split keeps copies in one split, and so does train; remove what is there twice by mistake",
    "copy in another split": "data split --overwrite makes a split that keeps them together",
}
_FAULTY = 1


def command(
    dataset: Dataset,
    out: Annotated[Path | None, typer.Option(help="CSV of everything found: kind,error,where,what.")] = None,
    groups: Groups = None,
    group_regex: GroupRegex = None,
    split: Annotated[
        Path | None, typer.Option(help="CSV of name,split to check. Default: split.csv of DATASET.")
    ] = None,
    search: Annotated[bool, typer.Option(help="Look for copies and near copies.")] = True,
    quiet: Quiet = False,
) -> None:
    """Say what is wrong with a dataset, file by file, and what leaks.

    Leaves with exit code 1 if anything must be mended before a training.

    Example: solarseg data check my-cells --out problems.csv
    """
    from solarseg.curation.check import check

    if out is not None and out.is_dir():
        raise ArgumentError(f"--out {out}: is a folder; give a file, such as {out / 'problems.csv'}")
    found = check(
        dataset, groups=groups, group_regex=group_regex, split=split, search=search, progress=is_shown(quiet)
    )
    print("\n".join(_lines(found)))
    if out is not None:
        found.save(out)
        print(f"\nall of it: {out}")
    if found.errors:
        raise typer.Exit(_FAULTY)


def _lines(found: "Check") -> list[str]:
    lines = [f"{counted(found.samples, 'sample')} can be read, {found.empty:,} with nothing but background"]
    if not found.searched:
        lines.append("copies and near copies were not looked for (--no-search)")
    kinds = dict.fromkeys(problem.kind for problem in found.problems)
    for kind in kinds:
        of_kind = [problem for problem in found.problems if problem.kind == kind]
        mark = "error" if of_kind[0].is_error else "note"
        remedy = f"; {_REMEDIES[kind]}" if kind in _REMEDIES else ""
        lines += ["", f"{mark}: {kind} ({len(of_kind):,}){remedy}"]
        lines += [f"  {problem.where}: {problem.what}" for problem in of_kind[:_SHOWN]]
        if len(of_kind) > _SHOWN:
            lines.append(f"  and {len(of_kind) - _SHOWN:,} more; --out FILE.csv lists all")
    return lines if kinds else [*lines, "nothing is wrong"]
