"""The report of a module: HTML that needs nothing else, and PDF."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.electrical import PowerEstimate
from solarseg.files import write_bytes, write_text
from solarseg.modules.records import InspectedCell, InspectedModule
from solarseg.reports.cell_table import cell_rows, has_changes, table_columns, to_text
from solarseg.reports.charts import draw_plot, draw_power_curves
from solarseg.reports.pdf import html_to_pdf
from solarseg.reports.pictures import crop, jpeg_uri, painted, shrink, stretch
from solarseg.reports.render import render
from solarseg.reports.report_contents import ModuleView
from solarseg.reports.style import ReportStyle
from solarseg.reports.svg_outlines import draw_layers
from solarseg.reports.terms import TERMS
from solarseg.reports.wording import (
    CHANGES,
    LINE_WEIGHT,
    describe_cell,
    describe_change,
    describe_orientation,
    list_words,
    name_cells,
    summarise_in_words,
    totals,
)

__all__ = ["render_module_report", "write_module_report"]

_PHOTO_SIDE = 2200  # pixels: more than a screen shows, and about 0.6 MB as JPEG
_CELL_SIDE = 320  # pixels of a picture of a cell
_WHOLE_SIDE = 900  # pixels of the module before and after
_WORST, _CHANGED = 6, 8  # cells in pictures
_TABLE_FONT = 8  # points, of the table of a PDF; less where it would be wider than the page
_TABLE_WIDTH = 820  # points, of its font for a single letter: a letter is about 0.6 times as wide as high
_MARKS = {  # colour and dashes of the frame around a cell; also named in words
    "dark": ("#ff9f45", ()),
    "dim": ("#ffd166", (4, 2)),
    "bright": ("#5fd3bc", (1, 1)),
}


def write_module_report(
    file: Path, module: InspectedModule, view: ModuleView, style: ReportStyle, pdf: Path | None = None
) -> None:
    """Write the report of a module as HTML, and as PDF from the same template.

    Args:
        file: the HTML file; its folder is created if it does not exist.
        module: what was found.
        view: its pictures, plots and files.
        style: the company's part.
        pdf: the PDF file, if one is wanted; call `check_pdf` before the work begins to find out whether that is
            possible.

    Raises:
        ArgumentError: module and view have different grids.
        MissingExtraError: WeasyPrint is not installed; the HTML file was written.
        MissingLibraryError: Pango is not installed on the system; the HTML file was written.
        OutputError: a file could not be written.
    """
    values = _values(module, view, style)
    write_text(file, _render(values, paged=False))
    if pdf is not None:
        write_bytes(pdf, html_to_pdf(_render(values, paged=True)))


def render_module_report(
    module: InspectedModule, view: ModuleView, style: ReportStyle, paged: bool = False
) -> str:
    """Return the report of a module as HTML.

    Args:
        module: what was found.
        view: its pictures, plots and files.
        style: the company's part.
        paged: leave out what a printed page cannot do: controls, links and scripts.

    Raises:
        ArgumentError: module and view have different grids.
    """
    return _render(_values(module, view, style), paged)


def _render(values: dict[str, Any], paged: bool) -> str:
    if not paged:
        return render("module.html", "module.js", paged=False, **values)
    # Rows of zeros would fill pages, and take the PDF writer as long as all the rest.
    sound = {cell.name for cell in values["module"].cells if _is_sound(cell)}
    rows = [row for row in values["rows"] if row.name not in sound]
    table = to_text(values["columns"], rows)
    size = min(_TABLE_FONT, _TABLE_WIDTH / table.width)
    return render("module.html", "", paged=True, table=table, table_font=round(size, 2), **values)


def _is_sound(cell: InspectedCell) -> bool:
    changed = cell.change is not None and cell.change.status != "same"
    return not cell.defective and cell.finding is None and not changed


def _values(module: InspectedModule, view: ModuleView, style: ReportStyle) -> dict[str, Any]:
    view.check(module)
    height, width = view.image.shape
    unit = round(width / 1600, 3)  # of lines in the map
    power = module.power
    return {
        "style": style,
        "notes": style.paragraphs,
        "module": module,
        "date": view.date,
        "model": view.model,
        "earlier_name": view.earlier_name,
        "files": view.files,
        "summary": summarise_in_words(module),
        "totals": totals(module),
        "orientation": describe_orientation(module),
        "min_severity": module.cells[0].min_severity,
        "width": width,
        "height": height,
        "unit": unit,
        "photo": jpeg_uri(stretch(shrink(view.image, _PHOTO_SIDE))),
        "layers": draw_layers(view.mask, view.classes),
        "marks": _marks(module, view, unit),
        "items": [_item(cell, view) for cell in module.cells],
        "worst": [_picture(cell, view) for cell in module.worst_cells(_WORST)],
        "changes": _changes(module, view),
        "curve": None if power is None else draw_power_curves(power),
        "curve_rows": [] if power is None else _curve_rows(power),
        "substrings": [] if power is None else _substrings(power),
        "columns": table_columns(module),
        "rows": cell_rows(module),
        "terms": TERMS,
    }


def _item(cell: InspectedCell, view: ModuleView) -> dict[str, Any]:
    left, top, right, bottom = view.box(cell)
    return {
        "cell": cell,
        "text": describe_cell(cell),
        "x": left,
        "y": top,
        "w": right - left,
        "h": bottom - top,
    }


def _marks(module: InspectedModule, view: ModuleView, unit: float) -> list[dict[str, Any]]:
    marks = []
    for name, (colour, dash) in _MARKS.items():
        boxes = [view.box(cell) for cell in module.cells if cell.finding == name]
        if boxes:
            marks.append(
                {
                    "name": name,
                    "colour": colour,
                    "dash": " ".join(str(3 * each) for each in dash),
                    "dash_on_map": " ".join(f"{4 * unit * each:g}" for each in dash),
                    "boxes": [(left, top, right - left, bottom - top) for left, top, right, bottom in boxes],
                }
            )
    return marks


def _picture(cell: InspectedCell, view: ModuleView) -> dict[str, Any]:
    box = view.box(cell)
    image = stretch(crop(view.image, box))
    return {
        "cell": cell,
        "text": describe_cell(cell, with_name=False),
        "plain": jpeg_uri(shrink(image, _CELL_SIDE)),
        "painted": jpeg_uri(painted(image, crop(view.mask, box), view.classes, _CELL_SIDE)),
    }


def _changes(module: InspectedModule, view: ModuleView) -> dict[str, Any] | None:
    plots = [draw_plot(plot) for plot in view.plots]
    if not has_changes(module) and view.earlier is None and not plots:
        return None
    changed = [cell for cell in module.cells if cell.change and cell.change.status != "same"]
    changed.sort(key=lambda cell: (-_size_of_change(cell), cell.name))
    pictures = (
        []
        if view.earlier is None
        else [_before_and_after(cell, view, view.earlier) for cell in changed[:_CHANGED]]
    )
    more = len(changed) - len(pictures)
    return {
        "summary": _change_summary(module, more if pictures else 0),
        "pictures": pictures,
        "earlier_picture": ""
        if view.earlier is None
        else jpeg_uri(stretch(shrink(view.earlier, _WHOLE_SIDE))),
        "picture": "" if view.earlier is None else jpeg_uri(stretch(shrink(view.image, _WHOLE_SIDE))),
        "ratio_picture": "" if view.ratio is None else jpeg_uri(shrink(view.ratio, _WHOLE_SIDE)),
        "with_ratio": view.ratio is not None,
        "plots": plots,
    }


def _before_and_after(cell: InspectedCell, view: ModuleView, earlier: NDArray[np.uint8]) -> dict[str, Any]:
    box = view.box(cell)
    before, after = (stretch(shrink(crop(image, box), _CELL_SIDE)) for image in (earlier, view.image))
    return {
        "cell": cell,
        "text": describe_cell(cell, with_name=False),
        "status": CHANGES[cell.change.status] if cell.change else "",
        "before": jpeg_uri(before),
        "after": jpeg_uri(after),
        "ratio": "" if view.ratio is None else jpeg_uri(shrink(crop(view.ratio, box), _CELL_SIDE)),
        "changes": describe_change(cell),
    }


def _size_of_change(cell: InspectedCell) -> float:
    change = cell.change
    if change is None:
        return 0.0
    return change.darkened_share + change.brightened_share + LINE_WEIGHT * abs(change.crack_length)


def _change_summary(module: InspectedModule, not_shown: int) -> str:
    found = []
    for status, text in CHANGES.items():
        if status == "same":
            continue
        names = [cell.name for cell in module.cells if cell.change and cell.change.status == status]
        if names:
            found.append(f"{text.capitalize()}: {list_words(names)}.")
    if not has_changes(module):
        return ""
    if not found:
        found = ["No cell changed."]
    if not_shown:
        found.append(f"The {_CHANGED} largest changes are shown, and all are in the table.")
    return " ".join(found)


def _curve_rows(power: PowerEstimate) -> list[tuple[str, str, str, str]]:
    quantities = (
        ("Maximum power", "W", "p_mp"),
        ("Short-circuit current", "A", "i_sc"),
        ("Open-circuit voltage", "V", "v_oc"),
        ("Current at maximum power", "A", "i_mp"),
        ("Voltage at maximum power", "V", "v_mp"),
    )
    return [
        (label, unit, f"{getattr(power.curve, name):.2f}", f"{getattr(power.sound_curve, name):.2f}")
        for label, unit, name in quantities
    ]


def _substrings(power: PowerEstimate) -> list[dict[str, Any]]:
    return [
        {
            "diode": each.diode,
            "voltage": each.voltage,
            "bypassed": each.bypassed,
            "limiting": name_cells(each.limiting_cells) or "no single cell",
        }
        for each in power.substrings
    ]
