"""``solarseg data stats``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from solarseg.cli.options import Dataset, GroupRegex, Groups, Quiet
from solarseg.cli.report import counted, is_shown, report_failures, report_left_out

if TYPE_CHECKING:
    from solarseg.curation.statistics import Statistics

__all__ = ["command"]


def command(
    dataset: Dataset,
    out: Annotated[
        Path | None, typer.Option(help="Output folder for statistics.json, statistics.png and samples.png.")
    ] = None,
    groups: Groups = None,
    group_regex: GroupRegex = None,
    quiet: Quiet = False,
) -> None:
    """Describe a dataset: classes, groups, sizes, bands, regions.

    With --out, also draws figures and a sheet of samples with their masks.

    Example: solarseg data stats my-cells --out my-cells-stats
    """
    from solarseg.curation.stats import stats

    found = stats(dataset, out=out, groups=groups, group_regex=group_regex, progress=is_shown(quiet))
    print("\n".join(_lines(found)))
    if out is not None:
        print(f"\nSee: {out}/statistics.png, {out}/samples.png")
    report_left_out(found.left_out)
    report_failures(found.unreadable)


def _lines(found: "Statistics") -> list[str]:
    from solarseg.painting import format_percent

    names = [one.name for one in found.classes] + [band.name for band in found.bands]
    width = max(map(len, names))
    groups = counted(found.groups, "group") if found.grouped else "no groups"
    sizes = ", ".join(f"{size} ({count})" for size, count in list(found.sizes.items())[:3])
    more = f" and {len(found.sizes) - 3} other sizes" if len(found.sizes) > 3 else ""
    lines = [
        f"{counted(found.images, 'image')}, {groups}; {sizes}{more}; {', '.join(found.depths)}; "
        f"{counted(len(found.bands), 'band')}",
        f"{found.empty:,} with only background; {format_percent(found.ignored)} of all pixels are ignored"
        + (f" ({format_percent(found.nodata)} are nodata)" if found.nodata else ""),
        "",
        f"{'class':{width}}  share of pixels  images  regions  median region",
    ]
    for one in found.classes:
        regions = "" if one.regions is None else f"{one.regions:,}"
        median = f"{one.areas[2]:,.0f} px" if one.areas else ""
        lines.append(
            f"{one.name:{width}}  {format_percent(one.share):>15}  {one.images:6,}  {regions:>7}  {median:>13}"
        )
    lines += ["", f"{'band':{width}}        mean   deviation    minimum    maximum"]
    for band in found.bands:
        lines.append(
            f"{band.name:{width}}  {band.mean:10.4g}  {band.deviation:10.4g} {band.low:10g} {band.high:10g}"
        )
    for band in found.bands:
        if band.flat:
            lines.append(
                f"{band.name} is constant in {counted(band.flat, 'image')}, for example because a missing band was "
                "filled; mean and deviation include them"
            )
    return lines
