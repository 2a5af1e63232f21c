"""The numbers of a module and its cells as words."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from solarseg.measurement.class_names import CRACK, FINGER_INTERRUPTION, INACTIVE_AREA
from solarseg.modules.records import WEAK, ChangeKind, InspectedCell, InspectedModule, cell_name
from solarseg.painting import format_percent

__all__ = [
    "CHANGES",
    "FINDINGS",
    "LINE_WEIGHT",
    "Total",
    "cell_defects",
    "count",
    "crack_length",
    "describe_cell",
    "describe_change",
    "describe_orientation",
    "list_words",
    "name_cells",
    "summarise_in_words",
    "totals",
]

FINDINGS = {
    "dark": "much darker than the other cells, or without light",
    "dim": "darker than the other cells",
    "bright": "brighter than the other cells",
}
CHANGES = {
    "new": "new defects",
    "grown": "defects have grown",
    "darker": "darker parts in which the model finds no defect",
    "gone": "defects are gone",
    "brighter": "brighter parts in which the model found no defect",
    "same": "unchanged",
}
_CHANGE_KINDS: tuple[tuple[tuple[ChangeKind, ...], str], ...] = (
    (("new",), "New"),
    (("grown",), "Grown"),
    (("darker",), "Darker, but the model finds no defect"),
    (("gone",), "Gone"),
    (("brighter",), "Brighter, but the model found no defect"),
    (("only now",), "Found only now, but the light did not change"),
    (("only before",), "Found only before, but the light did not change"),
)
_LINES = {CRACK: "cracks", FINGER_INTERRUPTION: "finger interruptions"}
_AREAS = {
    INACTIVE_AREA: "inactive area",
    "": "an area",  # of no class
}
_MOST_PARTS = 4  # of a cell in words
LINE_WEIGHT = 0.1  # of a line as long as the side of a cell, relative to the area of the cell


@dataclass(frozen=True)
class Total:
    """A number of the module with what it means."""

    value: str
    label: str
    detail: str = ""


def count(number: int, noun: str) -> str:
    """Write a number with its noun.

    Examples:
        >>> count(1, "cell"), count(1200, "cell")
        ('1 cell', '1,200 cells')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def list_words(words: Sequence[str]) -> str:
    """Join words with commas and "and".

    Examples:
        >>> list_words(["cracks"]), list_words(["a", "b", "c"])
        ('cracks', 'a, b and c')
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def crack_length(cell: InspectedCell) -> str:
    """Write the total length of the cracks of a cell, in mm if the size of cells is known."""
    measured = cell.measurement
    if measured.crack_length_mm is not None:
        return f"{measured.crack_length_mm:.0f} mm"
    return f"{measured.in_sides(measured.crack_length):.2f} sides of the cell"


def cell_defects(cell: InspectedCell) -> list[str]:
    """Describe the defects of a cell, the worst first; empty for a cell without defects."""
    measured, found = cell.measurement, []
    if cell.finding in FINDINGS:
        found.append(f"{cell.finding}: {FINDINGS[cell.finding]}")
    if measured.inactive_area:
        share = format_percent(measured.inactive_share)
        low, high = format_percent(cell.inactive_low), format_percent(cell.inactive_high)
        found.append(f"{share} inactive" + (f" (between {low} and {high})" if low != high else ""))
    if measured.cracks:
        mode = f", worst mode {measured.worst_crack_mode}" if measured.worst_crack_mode else ""
        found.append(f"{count(measured.cracks, 'crack')} of {crack_length(cell)}{mode}")
    if measured.finger_interruptions:
        found.append(count(measured.finger_interruptions, "finger interruption"))
    return found


def describe_cell(cell: InspectedCell, with_name: bool = True) -> str:
    """Describe a cell in a sentence, such as "r03c07: no defects; relative light 1.02."."""
    found = cell_defects(cell)
    if found and not cell.defective and cell.finding is None:
        found = [f"only small marks: {list_words(found)}"]
    parts = [*(found or ["no defects"]), f"relative light {cell.light:.2f}"]
    if cell.change is not None:
        parts.append(f"{CHANGES[cell.change.status]} since the earlier inspection")
    words = "; ".join(parts) + "."
    return f"{cell.name}: {words}" if with_name else words[0].upper() + words[1:]


def describe_change(cell: InspectedCell) -> list[str]:
    """Describe what changed in a cell, a sentence for each kind of change; of many parts, only the largest."""
    parts = _changed_parts(cell)
    largest = sorted(parts, key=lambda part: -part.size)[:_MOST_PARTS]
    sentences = []
    for _, start in _CHANGE_KINDS:
        texts = [part.text for part in parts if part.kind == start and part in largest]
        if texts:
            sentences.append(f"{start}: {list_words(texts)}.")
    if len(parts) > len(largest):
        sentences.append(f"And {len(parts) - len(largest)} smaller ones.")
    return sentences


@dataclass(frozen=True)
class _ChangedPart:
    """What changed in one way, of one class.

    Attributes:
        kind: the way, in words.
        text: what, and how much of it.
        size: to compare lengths and areas: share of the cell, as if lines were a tenth of its side wide.
    """

    kind: str
    text: str
    size: float


def _changed_parts(cell: InspectedCell) -> list[_ChangedPart]:
    """Return what changed in a cell, by kind of change and by class."""
    if cell.change is None:
        return []
    found = []
    for kinds, start in _CHANGE_KINDS:
        for name, noun in _LINES.items():
            if sides := cell.measurement.in_sides(cell.change.length(name, *kinds)):
                found.append(
                    _ChangedPart(start, f"{noun} of {sides:.2f} sides of the cell", LINE_WEIGHT * sides)
                )
        for name, noun in _AREAS.items():
            if share := cell.change.area(name, *kinds) / max(cell.measurement.cell_area, 1):
                found.append(_ChangedPart(start, f"{noun} of {format_percent(share)}", share))
    return found


def summarise_in_words(module: InspectedModule) -> list[str]:
    """Summarise a module in plain sentences for a reader who has never seen an EL image."""
    place, cells = module.placement, module.cells
    defective = len(module.defective_cells)
    sentences = [
        "An electroluminescence (EL) image shows the light that solar cells give when a current flows through them. "
        "Parts that give no light produce little or no power.",
        f"This module has {count(len(cells), 'cell')} in {count(place.rows, 'row')} of {place.columns}.",
    ]
    if not defective:
        return [
            *sentences,
            *(_small_marks(module) or ["No defects were found."]),
            *_power(module),
            *_changes(cells),
        ]
    kinds = _kinds(module)
    sentences.append(
        f"{defective} of them {'has a defect' if defective == 1 else 'have defects'}: {list_words(kinds)}."
    )
    (worst,) = module.worst_cells(1)
    sentences.append(f"The worst cell is {worst.name} (row {worst.row}, column {worst.column}).")
    return [*sentences, *_small_marks(module), *_power(module), *_changes(cells)]


def _small_marks(module: InspectedModule) -> list[str]:
    number = sum(cell.severity > 0 and not cell.defective for cell in module.cells)
    if not number:
        return []
    which = "more cell has" if number == 1 else "more cells have"
    if not module.defective_cells:
        which = which.removeprefix("more ")
    return [f"{number} {which} only small marks, too small to count as defects."]


def _kinds(module: InspectedModule) -> list[str]:
    cells = [cell.measurement for cell in module.defective_cells]
    numbers = {
        "cracks": sum(cell.cracks > 0 for cell in cells),
        "inactive area": sum(cell.inactive_area > 0 for cell in cells),
        "interrupted fingers": sum(cell.finger_interruptions > 0 for cell in cells),
    }
    verb = {True: "has", False: "have"}
    kinds = [f"{number} {verb[number == 1]} {name}" for name, number in numbers.items() if number]
    for finding in WEAK:
        number = sum(cell.finding == finding for cell in module.cells)
        if number:
            kinds.append(f"{number} {'is' if number == 1 else 'are'} {finding}")
    return kinds


def _power(module: InspectedModule) -> list[str]:
    power = module.power
    if power is None:
        return []
    if power.loss_high < 0.05:
        return ["The estimate finds no loss of power through inactive area."]
    interval = f"between {power.loss_low:.1f}% and {power.loss_high:.1f}%"
    if any(cell.weak for cell in module.cells):
        interval += (
            "; the upper bound assumes that dark and dim cells lack as large a share of current as of light"
        )
    return [f"The estimated loss of power through inactive area is {power.loss:.1f}% ({interval})."]


def _changes(cells: Sequence[InspectedCell]) -> list[str]:
    changed = [cell for cell in cells if cell.change]
    if not changed:
        return []
    words = {
        "new": "with new defects",
        "grown": "with defects that have grown",
        "darker": "with darker parts in which the model finds no defect",
        "gone": "with defects that are gone",
        "brighter": "with brighter parts in which the model found no defect",
    }
    found = []
    for status, text in words.items():
        those = [cell for cell in changed if cell.change and cell.change.status == status]
        small = sum(not cell.defective for cell in those) if status == "new" else 0
        if those:
            but = f" (in {small} of them too small to count above)" if small else ""
            found.append(f"{count(len(those), 'cell')} {text}{but}")
    if not found:
        return ["Compared with the earlier inspection, nothing changed beyond the noise."]
    return [f"Compared with the earlier inspection: {list_words(found)}."]


def describe_orientation(module: InspectedModule) -> str:
    """Say how the photograph shows a module, and what that means for the names of rows and columns."""
    upright = module.placement.upright
    counted = "Rows and columns are counted from the top left of the photograph, whatever side of the module is on top."
    if upright is None:
        return counted
    direction, lines = ("top to bottom", "columns") if upright else ("left to right", "rows")
    diodes = _diodes(module)
    same = diodes[0, 0] == diodes[(-1, 0) if upright else (0, -1)]
    return (
        f"Busbars run from {direction} in the photograph, so the cells of a string are in {lines}. "
        f"{'' if same else 'The assumed wiring differs from that: compare it with the data sheet. '}{counted} "
        "In a photograph that is turned, the same cell has another name."
    )


def totals(module: InspectedModule) -> list[Total]:
    """Return the totals of a module."""
    cells = [cell.measurement for cell in module.defective_cells]
    modes = module.cracked_cells
    by_mode = [f"{modes[mode]} mode {mode}" for mode in ("A", "B", "C") if modes.get(mode)]
    light = [
        f"{number} {name}" for name in ("dark", "dim", "bright") if (number := len(module.with_finding(name)))
    ]
    inactive = sum(cell.inactive_area > 0 for cell in cells)
    found = [
        Total(f"{len(cells)} of {len(module.cells)}", "cells with defects"),
        Total(str(sum(cell.cracks > 0 for cell in cells)), "cells with cracks", ", ".join(by_mode)),
        Total(
            format_percent(module.inactive_share),
            "of the cell area inactive",
            f"in {count(inactive, 'cell')} with defects" if inactive else "",
        ),
        Total(str(len(module.with_finding(*WEAK))), "dark or dim cells", ", ".join(light)),
        Total(str(sum(cell.finger_interruptions > 0 for cell in cells)), "cells with finger interruptions"),
    ]
    worst = module.worst_cells(1)
    if worst:
        found.append(Total(worst[0].name, "worst cell", f"severity {worst[0].severity:.2f}"))
    several = module.substrings_with_several_defective_cells
    found.append(
        Total(
            str(len(several)),
            "substrings with several defective cells",
            "; ".join(
                f"substring {diode} ({_lines_of(module, diode)}): {len(cells)}"
                for diode, cells in several.items()
            ),
        )
    )
    if module.power is not None:
        power = module.power
        found.append(
            Total(
                f"{power.loss:.1f}%",
                "estimated loss of power",
                f"{power.loss_low:.1f}% to {power.loss_high:.1f}%",
            )
        )
    return found


def _lines_of(module: InspectedModule, diode: int) -> str:
    """Name the rows or columns of a substring, such as "rows 1 to 2"."""
    diodes, named = _diodes(module), []
    for axis, noun in enumerate(("row", "column")):
        lines = np.flatnonzero((diodes == diode).any(axis=1 - axis)) + 1
        if len(lines) < diodes.shape[axis]:
            first, last = lines[0], lines[-1]
            named.append(f"{noun} {first}" if first == last else f"{noun}s {first} to {last}")
    return " and ".join(named) or "all cells"


def _diodes(module: InspectedModule) -> NDArray[np.int64]:
    """Return the number of the substring of each cell, ``(rows, columns)``."""
    wiring = module.wiring
    return np.array(wiring.diodes)[np.array(wiring.strings) - 1]


def name_cells(places: Sequence[tuple[int, int]]) -> str:
    """Write the names of cells given by row and column.

    Examples:
        >>> name_cells([(1, 2), (3, 4)])
        'r01c02 and r03c04'
    """
    return list_words([cell_name(row, column) for row, column in places]) if places else ""
