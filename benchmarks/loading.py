"""Modules under growing load: what `solarseg inspect --series` finds in each photograph.

    solarseg inspect el-modules/grey --out inspected --series load.csv --no-pdf
    python benchmarks/loading.py inspected load.csv --pairs a,b c,d --picture loading.png --cells r04c08

``load.csv`` lists the photographs of a module in order of pressure. Each pair is compared on its own: two photographs
of the same state show the noise.
"""

import argparse
from collections import Counter
from functools import cache
from pathlib import Path

import cv2
import numpy as np

import solarseg
from solarseg.comparison import CellImages, compare_identity
from solarseg.images import read_image
from solarseg.inspection.changes import compare_module, read_result
from solarseg.inspection.layout import InspectionPaths
from solarseg.inspection.record import read_record
from solarseg.inspection.series import read_series


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("inspected", type=Path)
    parser.add_argument("series", type=Path)
    parser.add_argument("--pairs", nargs="*", default=(), metavar="BEFORE,NOW")
    parser.add_argument("--identity", action="store_true", help="of each photograph and the first ones")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--photograph", help="of the picture; the last of the series by default")
    parser.add_argument("--cells", nargs="*", default=())
    given = parser.parse_args()
    paths, series = InspectionPaths(given.inspected), read_series(given.series)
    for name in dict.fromkeys(entry.module for entry in series.entries):
        print_series(paths, [entry for entry in series.entries if entry.module == name], series.quantity)
    for pair in given.pairs:
        print_pair(paths, *pair.split(","))
    if given.identity:
        print_identity(paths, series.entries)
    if given.picture:
        draw(paths, given.photograph or series.entries[-1].image, given.cells, given.picture)


def crack_length(module):
    return sum(cell.measurement.crack_length / max(cell.measurement.cell_side, 1) for cell in module.cells)


def changes(module):
    return [cell.change for cell in module.cells if cell.change is not None]


def print_series(paths, entries, quantity):
    print(
        f"\n| {quantity} | inactive found | confirmed | crack length found | confirmed | darker | "
        "cells with new or grown defects | with darker parts only |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    modules = [read_record(paths.module(entry.image).root) for entry in entries]
    first, last = modules[0], None
    for entry, module in zip(entries, modules, strict=True):
        found = changes(module)
        count = len(module.cells)
        share = first.inactive_share + sum(each.inactive_share for each in found) / count
        length = crack_length(first) + sum(each.crack_length for each in found)
        darker = sum(each.darkened_share for each in found) / count
        worse = sum(each.status in ("new", "grown") for each in found)
        spots = sum(each.status == "darker" for each in found)
        left_out = "" if module is first or found else " (not compared)"
        smaller = "" if last is None or (share >= last[0] and length >= last[1]) else " (smaller)"
        last = share, length
        print(
            f"| {entry.value:g}{left_out}{smaller} | {module.inactive_share:.2%} | {share:.2%} | "
            f"{crack_length(module):.1f} | {length:.1f} | {darker:.2%} | {worse} | {spots} |"
        )


def print_pair(paths, before, now):
    """Print what differs between two photographs, and what of it the light confirms."""
    earlier, result = (read_result(paths.module(name)) for name in (before, now))
    module = compare_module(result, earlier, solarseg.load_model("el-cell").classes).module
    found = changes(module)
    regions = [region for change in found for region in change.regions]
    side = module.cells[0].measurement.cell_side
    for name in ("crack", "inactive_area", "finger_interruption"):
        kinds = {
            kind: sum(each.length for each in regions if each.class_name == name and each.kind == kind) / side
            for kind in (
                "new",
                "grown",
                "gone",
                "only now",
                "only before",
            )  # darker and brighter: the last line
        }
        print(
            f"{before} {now} {name}: " + ", ".join(f"{kind} {length:.2f}" for kind, length in kinds.items())
        )
    share = np.mean([change.darkened_share for change in found])
    print(f"{before} {now} darker {share:.4%}, cells: {Counter(each.status for each in found)}")


def print_identity(paths, entries):
    """Compare each photograph with the first of each module: how much their cells look alike."""
    classes = solarseg.load_model("el-cell").classes
    first = {entry.module: entry.image for entry in reversed(entries)}
    found = {"same module": [], "same module turned": [], "other module": []}
    for entry in entries:
        now = images(paths, entry.image)
        for module, image in first.items():
            if entry.image != image:
                before, is_same = images(paths, image), module == entry.module
                alike = compare_identity(now, before, (6, 10), classes)
                found["same module" if is_same else "other module"].append((alike.same, alike))
                if is_same:
                    turned = CellImages(before.images[::-1, ::-1, ::-1], before.masks[::-1, ::-1, ::-1])
                    alike = compare_identity(now, turned, (6, 10), classes)
                    found["same module turned"].append((alike.turned, alike))
    for kind, pairs in found.items():
        values = [value for value, _ in pairs]
        recognised = Counter(alike.recognition for _, alike in pairs)
        print(f"{kind}: {len(pairs)} pairs, {min(values):.3f} to {max(values):.3f}, {dict(recognised)}")


@cache
def images(paths, image):
    result = read_result(paths.module(image))
    return CellImages(result.cells, result.masks)


def draw(paths, name, cells, file):
    """Draw cells before, now, and as the ratio."""
    now, ratio = paths.module(name), read_image(paths.module(name).ratio)[..., 0]
    module = read_record(now.root)
    before = InspectionPaths(paths.root).module(Path(module.earlier).stem)
    rows = []
    for cell in cells:
        row, column = int(cell[1:3]) - 1, int(cell[4:6]) - 1
        part = ratio[256 * row : 256 * row + 256, 256 * column : 256 * column + 256]
        pictures = [read_image(each.cell(cell))[..., 0] for each in (before, now)]
        rows.append(np.hstack([np.pad(each, 2, constant_values=255) for each in (*pictures, part)]))
    cv2.imwrite(str(file), np.vstack(rows))


if __name__ == "__main__":
    main()
