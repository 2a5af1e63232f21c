"""``solarseg data check``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solarseg.cli.options import Dataset, GroupRegex, Groups, Quiet

if TYPE_CHECKING:
    from solarseg.curation.check import Check

__all__ = ["command"]

_SHOWN = 10  # of each kind
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

    found = check(
        dataset, groups=groups, group_regex=group_regex, split=split, search=search, progress=not quiet
    )
    print("\n".join(_lines(found)))
    if out is not None:
        found.save(out)
        print(f"\nall of it: {out}")
    if found.errors:
        raise typer.Exit(_FAULTY)


def _lines(found: "Check") -> list[str]:
    lines = [f"{found.samples} samples can be read, {found.empty} of them show nothing but background"]
    kinds = dict.fromkeys(problem.kind for problem in found.problems)
    for kind in kinds:
        of_kind = [problem for problem in found.problems if problem.kind == kind]
        mark = "error" if of_kind[0].is_error else "note"
        lines += ["", f"{mark}: {kind} ({len(of_kind)})"]
        lines += [f"  {problem.where}: {problem.what}" for problem in of_kind[:_SHOWN]]
        if len(of_kind) > _SHOWN:
            lines.append(f"  and {len(of_kind) - _SHOWN} more; --out FILE.csv lists all")
    return lines if kinds else [*lines, "nothing is wrong"]
