"""How well modules are found in generated photographs, whose corners are known exactly.

    python benchmarks/locate.py [--modules 500] [--start 9000] [--processes 2] [--results FILE] [--sheet wrong.png]

Photographs are 2,300 pixels wide or high, so that modules are about 1,500. Counted are modules that are whole and lit.
A module is right if its number of rows and columns is; refused if nothing was located at its place; wrong otherwise.
Distances of the four corners of right modules are in pixels at a width of 1,500. Modules with strings without light at
an edge are counted as all others, and also named: their cells cannot be counted from the light. Each photograph is a
line of the file of results: the same command continues where it was interrupted. --sheet writes pictures of all that is
not right.
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
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
EVERY = 20  # photographs: running totals are printed


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


def draw(seed):
    """Generate the photograph of a seed."""
    return generate_photograph(np.random.default_rng(seed), size=SIZE)


def examine(seed):
    """Return what was found in the photograph of a seed, and the processor seconds that it took."""
    cv2.setNumThreads(1)
    photograph = draw(seed)
    start = time.process_time()
    located = locate_modules(photograph.image)
    seconds = time.process_time() - start
    kinds = [
        (kind, None if corners is None else corners.round(3).tolist())
        for kind, corners in judge(photograph, located.modules)
    ]
    confidence = [round(module.confidence, 3) for module in located.modules]
    return {
        "seed": seed,
        "kinds": kinds,
        "seconds": round(seconds, 3),
        "confidence": confidence,
        "left_out": located.left_out,
    }


def picture(seed):
    """Return a small picture of a photograph with the true corners and the located cells."""
    photograph = draw(seed)
    light = photograph.image.mean(axis=2, dtype=np.float32)
    light *= 255 / max(np.percentile(light, 99.7), 1)
    shown = cv2.cvtColor(light.clip(0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    for truth in photograph.modules:
        cv2.polylines(shown, [truth.corners.round().astype(np.int32)], True, (0, 255, 0), 6)
    for module in locate_modules(photograph.image).modules:
        for cell in module.cell_corners.reshape(-1, 4, 2):
            cv2.polylines(shown, [cell.round().astype(np.int32)], True, (0, 128, 255), 2)
    scale = TILE / max(shown.shape)
    small = cv2.resize(shown, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    tile = np.zeros((TILE + 20, TILE, 3), np.uint8)
    tile[: small.shape[0], : small.shape[1]] = small
    cv2.putText(tile, str(seed), (4, TILE + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255))
    return tile


def count_whole(results):
    """Return the number of whole and lit modules."""
    return sum(not kind.startswith("located") for one in results for kind, _ in one["kinds"])


def report(results):
    """Print the counts of all kinds, corner distances and times."""
    kinds = [kind for one in results for kind, _ in one["kinds"]]
    whole = count_whole(results)
    print(
        f"{len(results)} photographs, seeds {results[0]['seed']} to {results[-1]['seed']}, "
        f"{whole} whole modules with light"
    )
    for kind in sorted(set(kinds)):
        print(f"  {kind:24} {kinds.count(kind):4}  {kinds.count(kind) / max(whole, 1):6.1%}")
    corners = np.array([far for one in results for _, all_four in one["kinds"] for far in all_four or ()])
    if len(corners):
        print(
            f"corners of right modules, pixels at {WIDTH}: median {np.median(corners):.2f}, "
            f"95th percentile {np.percentile(corners, 95):.2f}, largest {corners.max():.1f}"
        )
    seconds = [one["seconds"] for one in results]
    print(
        f"processor seconds a photograph: median {np.median(seconds):.2f}, mean {np.mean(seconds):.2f}, "
        f"largest {max(seconds):.1f}",
        flush=True,
    )


def examine_all(options, results):
    """Examine photographs until there are enough modules, and write each result to the file."""
    seed = options.start + len(results)
    batch = max(options.processes * 2, 1)
    with ProcessPoolExecutor(options.processes) as pool, options.results.open("a", encoding="utf-8") as file:
        while count_whole(results) < options.modules:
            for one in pool.map(examine, range(seed, seed + batch)):
                results.append(one)
                print(json.dumps(one), file=file, flush=True)
                if len(results) % EVERY == 0:
                    report(results)
            seed += batch


def write_sheet(path, results):
    """Write pictures of all photographs in which not everything is right."""
    bad = [one["seed"] for one in results if any(not kind.startswith("right") for kind, _ in one["kinds"])]
    tiles = [picture(seed) for seed in bad]
    if tiles:
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 4)
        rows = [np.hstack(tiles[i : i + 4]) for i in range(0, len(tiles), 4)]
        cv2.imwrite(str(path), np.vstack(rows))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--modules", type=int, default=500, help="whole modules, at least")
    parser.add_argument(
        "--start", type=int, default=9000, help="first seed; smaller ones were looked at before"
    )
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--results", type=Path, default=Path("located.jsonl"), help="file to continue")
    parser.add_argument("--sheet", type=Path, help="PNG file to write, with all that is not right")
    options = parser.parse_args()
    lines = options.results.read_text(encoding="utf-8").splitlines() if options.results.exists() else []
    results = [json.loads(line) for line in lines]
    examine_all(options, results)
    print(describe())
    report(results)
    if options.sheet:
        write_sheet(options.sheet, results)


if __name__ == "__main__":
    main()
