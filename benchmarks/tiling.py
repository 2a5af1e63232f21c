"""What the overlap of tiles changes: pixels of another class, and where.

    python benchmarks/tiling.py [MODEL ...] [--tiles DATASET] [--overlaps 0 16 32 64 96 128]

Without --tiles, mosaics of generated EL cells are predicted. The published figures are of two larger
images, joined from neighbouring PV01 tiles (benchmarks/pv01.py). The reference is the same
model on tiles that begin every 32 pixels, each weighted by a Hann window: so each pixel counts mostly where
it is in the middle of a tile. For each overlap the image is cropped so that its tiles overlap by exactly that
much. An eighth of a tile along the border is left out, since no other tile covers it. Near a seam means
within an eighth of a tile of the middle of the overlap of two tiles. IoU is that of the classes other than
background against the masks, on the same pixels.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from machine import describe

from solarseg.datasets import open_dataset
from solarseg.inference.model import Model, load_model
from solarseg.inference.options import PredictOptions
from solarseg.inference.sources import as_source
from solarseg.inference.tiling import Tiling
from solarseg.synthesis import Module, generate_cell
from solarseg.synthesis.camera import Camera

TILE = 256
MARGIN = TILE // 8
MOSAICS = (  # latitudes and longitudes in the names of the tiles of PV01, see pv01.py
    ((325127, 325125, 325123), (1204229, 1204232, 1204235, 1204237)),
    ((325130, 325127), (1204243, 1204246, 1204248, 1204251)),
)


def mosaics_of(dataset: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Join neighbouring tiles of PV01 to larger images with their masks."""
    data = open_dataset(dataset)
    for rows, columns in MOSAICS:
        tiles = [[data[f"PV01_{row}_{column}"] for column in columns] for row in rows]
        yield (
            np.concatenate([np.concatenate([tile.image for tile in row], 1) for row in tiles]),
            np.concatenate([np.concatenate([tile.mask for tile in row], 1) for row in tiles]),
        )


def generated_mosaics() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Join generated EL cells of one module, three rows of four, to larger images with their masks."""
    for seed in range(2):
        module, camera = (each.draw(np.random.default_rng(seed)) for each in (Module, Camera))
        rng = np.random.default_rng([seed, 1])
        cells = [[generate_cell(rng, TILE, module, camera) for _ in range(4)] for _ in range(3)]
        yield (
            np.concatenate([np.concatenate([image for image, _ in row], 1) for row in cells]),
            np.concatenate([np.concatenate([mask for _, mask in row], 1) for row in cells]),
        )


def reference(model: Model, image: np.ndarray, step: int) -> np.ndarray:
    window = np.hanning(TILE + 2)[1:-1].astype(np.float32)
    weight = (window[:, None] * window)[..., None]
    total = np.zeros((*image.shape[:2], len(model.classes)), np.float32)
    for top in range(0, image.shape[0] - TILE + 1, step):
        for left in range(0, image.shape[1] - TILE + 1, step):
            piece = np.s_[top : top + TILE, left : left + TILE]
            total[piece] += weight * model.probabilities(image[piece][None])[0]
    return total.argmax(-1)


def fitting(length: int, overlap: int) -> int:
    """Return the greatest length, up to the given one, at which tiles overlap by exactly so much."""
    step = TILE - overlap
    return TILE + (length - TILE) // step * step


def tiled(model: Model, image: np.ndarray, tiling: Tiling) -> np.ndarray:
    pipeline = replace(model.pipeline, options=PredictOptions(tile=TILE, overlap=tiling.overlap))
    return np.concatenate([rows.mask for rows in pipeline.predict(as_source(image))])


def near_seams(tiling: Tiling) -> np.ndarray:
    def near(starts: tuple[int, ...], length: int) -> np.ndarray:
        middles = [(first + TILE + second) / 2 for first, second in pairwise(starts)]
        places = np.arange(length) + 0.5
        return np.any([np.abs(places - middle) <= MARGIN for middle in middles], axis=0)

    return near(tiling.tops, tiling.height)[:, None] | near(tiling.lefts, tiling.width)


def compare(model: Model, mosaics: list[tuple[np.ndarray, ...]], overlap: int) -> np.ndarray:
    """Count pixels near seams and elsewhere, those that changed, and intersection and union of tiled and reference."""
    sums = np.zeros(8)
    for image, mask, best in mosaics:
        height, width = (fitting(length, overlap) for length in image.shape[:2])
        tiling = Tiling(height, width, TILE, overlap)
        inner = np.s_[MARGIN : height - MARGIN, MARGIN : width - MARGIN]
        found = tiled(model, image[:height, :width], tiling)[inner]
        valid, expected = mask[:height, :width][inner] != 255, best[:height, :width][inner]
        truth = (mask[:height, :width][inner] > 0) & valid
        seam, changed = near_seams(tiling)[inner], found != expected
        sums += [seam.sum(), (~seam).sum(), (changed & seam).sum(), (changed & ~seam).sum()] + [
            count
            for classes in ((found > 0) & valid, (expected > 0) & valid)
            for count in ((classes & truth).sum(), (classes | truth).sum())
        ]
    return sums


def lines(model: Model, mosaics: list[tuple[np.ndarray, ...]], overlaps: list[int]) -> Iterator[str]:
    for overlap in overlaps:
        near, far, changed_near, changed_far, both, either, best_both, best_either = compare(
            model, mosaics, overlap
        )
        at_seams, elsewhere = changed_near / near, changed_far / far
        yield (
            f"| {model.info.encoder} | {overlap} | {(changed_near + changed_far) / (near + far):.3%} | "
            f"{at_seams:.3%} | {elsewhere:.3%} | {at_seams / max(elsewhere, 1e-9):.2f} | "
            f"{100 * both / either:.2f} | {100 * best_both / best_either:.2f} | "
            f"{(TILE / (TILE - overlap)) ** 2:.2f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=["el-cell"], help="model files, run folders or names")
    parser.add_argument("--tiles", type=Path, help="dataset folder of the PV01 tiles (default: generated)")
    parser.add_argument("--overlaps", type=int, nargs="+", default=[0, 16, 32, 64, 96, 128], help="pixels")
    parser.add_argument("--step", type=int, default=32, help="step of the reference, pixels; more to try it")
    options = parser.parse_args()
    print(describe("onnxruntime"))
    print("| encoder | overlap | changed | near seams | elsewhere | ratio | IoU | IoU, reference | work |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for path in options.models:
        model = load_model(path)
        pairs = mosaics_of(options.tiles) if options.tiles else generated_mosaics()
        mosaics = [(image, mask, reference(model, image, options.step)) for image, mask in pairs]
        for line in lines(model, mosaics, options.overlaps):
            print(line, flush=True)


if __name__ == "__main__":
    main()
