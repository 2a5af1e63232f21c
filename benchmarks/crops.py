"""Whether the edges of all cells are inside of their crops, in photographs of one module each.

    python benchmarks/crops.py PHOTOGRAPH... [--cells 6x10] [--sheets DIR]

For each photograph: the located cells, the confidence, how many edges of cells were measured, and how far they are
inside of the crop of their cell, in units of a cell: the least of them, and the share that is outside. Crops reach to
the middle of the gaps between cells. --sheets writes a contact sheet of each photograph, NAME.png: each cell as it is
cropped, with a line around it.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from machine import describe

from solarseg.images import read_image
from solarseg.modules import cut_cells, locate_modules
from solarseg.modules.edge_residuals import room_in_crops
from solarseg.modules.edges import measure_edges
from solarseg.modules.light import above_black, to_light

# Pixels per cell, and distance from an edge in cells, as when a placement is judged.
FINEST, REACH = 110, 0.07
SIZE = 160  # pixels of a cell on a sheet
LINE = (0, 140, 255)  # orange, in the order of OpenCV


def measure(light, module):
    """Return how far each measured edge is inside of the crop of its cell, cells."""
    return room_in_crops(module, *measure_edges(light, module, FINEST, REACH))


def draw_sheet(light, module):
    """Draw all cells of a module as they are cropped, with lines between them."""
    cells = cut_cells(light, module, SIZE)
    cells = 255 * np.clip(cells / np.percentile(cells, 99.5), 0, 1) ** 0.7
    framed = np.pad(cells, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-1)
    rows, columns, side = framed.shape[:3]
    sheet = framed.swapaxes(1, 2).reshape(rows * side, columns * side)
    shown = cv2.cvtColor(np.maximum(sheet, 0).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    shown[sheet < 0] = LINE
    return shown


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photographs", nargs="+", type=Path, metavar="PHOTOGRAPH")
    parser.add_argument("--cells", help="expected rows and columns, such as 6x10, in any order")
    parser.add_argument("--sheets", type=Path, help="folder to write contact sheets to")
    options = parser.parse_args()
    expected = sorted(map(int, options.cells.split("x"))) if options.cells else None
    print(describe())
    print(
        f"{'photograph':24} {'cells':8} {'confidence':>10} {'bent':>5} {'edges':>6} {'least':>8} {'outside':>8}"
    )
    wrong, outside, least = 0, 0, np.inf
    for path in options.photographs:
        image = read_image(path)
        modules = locate_modules(image).modules
        grids = [f"{module.rows}x{module.columns}" for module in modules]
        if len(modules) != 1 or (expected and sorted((modules[0].rows, modules[0].columns)) != expected):
            wrong += 1
            print(f"{path.stem:24} located: {', '.join(grids) or 'nothing'}", flush=True)
            continue
        module, light = modules[0], above_black(to_light(image))
        room = measure(light, module)
        outside += (room < 0).any()
        least = min(least, room.min())
        print(
            f"{path.stem:24} {grids[0]:8} {module.confidence:10.2f} {'yes' if module.bend else 'no':>5} {len(room):6} "
            f"{room.min():8.4f} {(room < 0).mean():8.1%}",
            flush=True,
        )
        if options.sheets:
            options.sheets.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(options.sheets / f"{path.stem}.png"), draw_sheet(light, module))
    print(
        f"{len(options.photographs)} photographs: {wrong} without the expected module; {outside} with edges outside of "
        f"their crops; least room {least:.4f} cells"
    )


if __name__ == "__main__":
    main()
