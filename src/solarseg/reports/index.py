"""The index of all modules of an inspection, made of small records."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solarseg.files import write_text
from solarseg.modules.records import WEAK, InspectedModule
from solarseg.painting import format_percent
from solarseg.reports.pictures import encode, jpeg_uri, shrink, stretch
from solarseg.reports.render import render
from solarseg.reports.report_contents import ReportFile
from solarseg.reports.style import ReportStyle
from solarseg.reports.wording import Total, count

__all__ = [
    "FailedPhotograph",
    "ModuleSummary",
    "draw_thumbnail",
    "render_index",
    "summarise_module",
    "write_index",
]

_THUMBNAIL_SIDE, _THUMBNAIL_QUALITY = 160, 60  # about 4 kB


@dataclass(frozen=True)
class ModuleSummary:
    """What the index says of a module.

    Attributes:
        name: of the module.
        image: the photograph.
        report: path of its report relative to the index, with ``/``.
        cells: number of cells.
        defective: number of cells that count as defective; see `InspectedCell.defective`.
        cracked: number of defective cells with cracks.
        worst_mode: worst mode of all cracks.
        dark: number of dark or dim cells.
        inactive_share: share of the area of all cells, 0 to 1.
        severity: mean of all cells.
        worst_cell: name of the worst cell, empty without defects.
        power: estimated power, W, if there is an estimate.
        sound_power: power without inactive area, W.
        loss: estimated loss, percent.
        loss_low: its low bound.
        loss_high: its high bound, which contains dark and dim cells.
        changed: number of cells with new or grown defects, if there was an earlier inspection.
        thumbnail: a small JPEG.
    """

    name: str
    image: str
    report: str
    cells: int
    defective: int
    cracked: int
    worst_mode: str | None
    dark: int
    inactive_share: float
    severity: float
    worst_cell: str
    power: float | None = None
    sound_power: float | None = None
    loss: float | None = None
    loss_low: float | None = None
    loss_high: float | None = None
    changed: int | None = None
    thumbnail: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class FailedPhotograph:
    """A photograph that could not be inspected, or whose report could not be updated.

    Attributes:
        image: the photograph.
        reason: why, in a sentence.
    """

    image: str
    reason: str


def draw_thumbnail(image: NDArray[np.uint8]) -> bytes:
    """Return a small JPEG of a rectified module, ``(H, W) uint8``."""
    return encode(stretch(shrink(image, _THUMBNAIL_SIDE)), _THUMBNAIL_QUALITY)


def summarise_module(module: InspectedModule, image: NDArray[np.uint8] | bytes, report: str) -> ModuleSummary:
    """Summarise a module for the index.

    Args:
        module: what was found.
        image: ``(H, W) uint8``, the rectified image, or what `draw_thumbnail` made of it.
        report: path of its report relative to the index, with ``/``.
    """
    power, worst = module.power, module.worst_cells(1)
    changes = [cell.change.status for cell in module.cells if cell.change]
    return ModuleSummary(
        name=module.name,
        image=module.image,
        report=report,
        cells=len(module.cells),
        defective=len(module.defective_cells),
        cracked=sum(cell.measurement.cracks > 0 for cell in module.defective_cells),
        worst_mode=max(module.cracked_cells, default=None),
        dark=len(module.with_finding(*WEAK)),
        inactive_share=module.inactive_share,
        severity=module.severity,
        worst_cell=worst[0].name if worst else "",
        power=None if power is None else power.power,
        sound_power=None if power is None else power.sound_power,
        loss=None if power is None else power.loss,
        loss_low=None if power is None else power.loss_low,
        loss_high=None if power is None else power.loss_high,
        changed=sum(change in ("new", "grown") for change in changes) if changes else None,
        thumbnail=image if isinstance(image, bytes) else draw_thumbnail(image),
    )


def write_index(
    file: Path,
    modules: Sequence[ModuleSummary],
    failed: Sequence[FailedPhotograph] = (),
    style: ReportStyle | None = None,
    files: Sequence[ReportFile] = (),
) -> None:
    """Write the index of an inspection.

    Args:
        file: the HTML file.
        modules: summaries of all modules.
        failed: photographs that failed.
        style: the company's part.
        files: files next to the index, to explain.

    Raises:
        OutputError: the file could not be written.
    """
    write_text(file, render_index(modules, failed, style, files))


def render_index(
    modules: Sequence[ModuleSummary],
    failed: Sequence[FailedPhotograph] = (),
    style: ReportStyle | None = None,
    files: Sequence[ReportFile] = (),
) -> str:
    """Return the index as HTML; see `write_index`."""
    style = style or ReportStyle()
    ordered = sorted(modules, key=lambda module: (-module.severity, module.name))
    return render(
        "index.html",
        "table.js",
        style=style,
        notes=style.paragraphs,
        modules=[(module, jpeg_uri(module.thumbnail) if module.thumbnail else "") for module in ordered],
        failed=failed,
        totals=_totals(modules, failed),
        with_power=any(module.loss is not None for module in modules),
        with_changes=any(module.changed is not None for module in modules),
        files=files,
    )


def _totals(modules: Sequence[ModuleSummary], failed: Sequence[FailedPhotograph]) -> list[Total]:
    cells = sum(module.cells for module in modules)
    share = sum(module.inactive_share * module.cells for module in modules) / max(cells, 1)
    found = [
        Total(f"{len(modules):,}", "module" if len(modules) == 1 else "modules", count(cells, "cell")),
        Total(
            f"{sum(module.defective > 0 for module in modules):,} of {len(modules):,}", "modules with defects"
        ),
        Total(f"{sum(module.defective for module in modules):,}", "cells with defects"),
        Total(f"{sum(module.cracked for module in modules):,}", "cells with cracks"),
        Total(f"{sum(module.dark for module in modules):,}", "dark or dim cells"),
        Total(format_percent(share), "of the cell area inactive"),
    ]
    estimated = [
        (module.sound_power, module.loss, module.loss_low, module.loss_high)
        for module in modules
        if module.loss is not None
    ]
    if estimated:
        sound, *losses = np.array(estimated, float).T
        loss, low, high = (float((sound * each).sum() / sound.sum()) for each in losses)
        watts = f"{loss / 100 * sound.sum():,.0f} W"
        found.append(Total(f"{loss:.1f}%", "estimated loss of power", f"{watts}; {low:.1f}% to {high:.1f}%"))
    changed = [module.changed for module in modules if module.changed is not None]
    if changed:
        found.append(Total(f"{sum(changed):,}", "cells with new or grown defects"))
    found.append(Total(f"{len(failed):,}", f"photograph{'' if len(failed) == 1 else 's'} failed"))
    return found
