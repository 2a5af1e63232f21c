"""How well modules are found in generated photographs, whose corners are known exactly.

    python benchmarks/locate.py [--count 500] [--start 1000] [--sheet wrong.png]

Photographs are 2,300 pixels wide or high, so that modules are about 1,500. Counted are modules that are whole and lit.
A module is right if its number of rows and columns is; refused if nothing was located at its place; wrong otherwise.
Distances of the four corners of right modules are in pixels at a width of 1,500. Modules with strings without light at
an edge are counted apart: their cells cannot be counted from the light. --sheet writes pictures of the wrong ones.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from machine import describe

from solarseg.modules import locate_modules
from solarseg.synthesis import generate_photograph

SIZE = 2300  # pixels
WIDTH = 1500  # pixels: distances are given at this size of a module
DARK = 0.01  # of the light of a sound cell
TILE = 480  # pixels, of a picture on the sheet


def has_dark_edge(module):
    """Return whether a whole row or column at an edge of a module has no light."""
    dark = module.brightness <= DARK
    return any(line.all() for line in (dark[0], dark[-1], dark[:, 0], dark[:, -1]))


def overlap(one, other):
    """Return the common area of two quadrilaterals, as a share of the smaller one."""
    shapes = [corners.astype(np.float32) for corners in (one, other)]
    common, _ = cv2.intersectConvexConvex(*shapes)
    return common / min(abs(cv2.contourArea(shape)) for shape in shapes)


def judge(photograph, located):
    """Yield kind and corner distances of each whole module, and of what was located elsewhere."""
    for truth in photograph.modules:
        near = [one for one in located if overlap(one.corners, truth.corners) > 0.5]
        located = [one for one in located if not any(one is other for other in near)]
        if not (truth.whole and truth.lit):
            if near:
                yield "located, not whole", None
            continue
        kind = " (dark edge)" if has_dark_edge(truth) else ""
        if not near:
            yield f"refused{kind}", None
        elif len(near) > 1 or (near[0].rows, near[0].columns) != (truth.rows, truth.columns):
            yield f"wrong{kind}", None
        else:
            scale = WIDTH / np.linalg.norm(truth.corners[[1, 2]] - truth.corners[[0, 1]], axis=1).max()
            yield f"right{kind}", scale * np.linalg.norm(near[0].corners - truth.corners, axis=1)
    for _ in located:
        yield "located, no module", None


def picture(photograph, located, seed):
    """Return a small picture of a photograph with the true corners and the located cells."""
    light = photograph.image.mean(axis=2, dtype=np.float32)
    light *= 255 / max(np.percentile(light, 99.7), 1)
    shown = cv2.cvtColor(light.clip(0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    for truth in photograph.modules:
        cv2.polylines(shown, [truth.corners.round().astype(np.int32)], True, (0, 255, 0), 6)
    for module in located:
        for cell in module.cell_corners.reshape(-1, 4, 2):
            cv2.polylines(shown, [cell.round().astype(np.int32)], True, (0, 128, 255), 2)
    scale = TILE / max(shown.shape)
    small = cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.zeros((TILE + 20, TILE, 3), np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small
    cv2.putText(tile, str(seed), (4, TILE + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255))
    return tile


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=500, help="photographs")
    parser.add_argument(
        "--start", type=int, default=1000, help="first seed; the search was made with 1000 to 1099"
    )
    parser.add_argument("--sheet", type=Path, help="PNG file to write, with the wrong ones")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    counts, distances, seconds, tiles = {}, [], [], []
    for seed in range(options.start, options.start + options.count):
        photograph = generate_photograph(np.random.default_rng(seed), size=SIZE)
        start = time.process_time()
        located = locate_modules(photograph.image).modules
        seconds.append(time.process_time() - start)
        kinds = list(judge(photograph, located))
        for kind, corners in kinds:
            counts[kind] = counts.get(kind, 0) + 1
            if corners is not None:
                distances.append(corners)
        if options.sheet and any(kind.startswith(("wrong", "located")) for kind, _ in kinds):
            tiles.append(picture(photograph, located, seed))
    print(describe())
    whole = sum(count for kind, count in counts.items() if not kind.startswith("located"))
    print(f"{options.count} photographs from seed {options.start}, {whole} whole modules with light")
    for kind, count in sorted(counts.items()):
        print(f"  {kind:24} {count:4}  {count / whole:6.1%}")
    corners = np.concatenate(distances)
    print(
        f"corners of right modules, pixels at {WIDTH}: median {np.median(corners):.2f}, "
        f"95th percentile {np.percentile(corners, 95):.2f}, largest {corners.max():.1f}"
    )
    print(f"processor seconds a photograph: median {np.median(seconds):.2f}, largest {max(seconds):.1f}")
    if tiles:
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 4)
        rows = [np.hstack(tiles[i : i + 4]) for i in range(0, len(tiles), 4)]
        cv2.imwrite(str(options.sheet), np.vstack(rows))


if __name__ == "__main__":
    main()
