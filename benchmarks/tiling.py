"""What the overlap of tiles is worth: pixels that change, and where, for real encoders.

    python benchmarks/tiling.py MODEL... --tiles shared/data/pv01-tiles [--overlaps 0 16 32 64 96 128]

Neighbouring tiles of PV01 are put together to two larger images. The reference is the same model on tiles that begin
every 32 pixels, each weighted by a Hann window: every pixel then counts mostly where it stands in the middle of a tile.
Each overlap gets an image cropped so that its tiles overlap by exactly that much; an eighth of a tile along the crop's
border is not looked at, since it has no neighbour. Near a seam: within an eighth of a tile of the middle of what two
tiles share. IoU is against PV01's masks, of the class that is not background, on the same pixels.
"""

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np

from solarseg.images import read_image, read_mask_values
from solarseg.inference.model import Model, Strip, load_model
from solarseg.inference.tiling import Tiling

TILE = 256
STEP = 32
MARGIN = TILE // 8
MOSAICS = (  # tiles are named after the second of latitude and of longitude they stand at
    ((325127, 325125, 325123), (1204229, 1204232, 1204235, 1204237)),
    ((325130, 325127), (1204243, 1204246, 1204248, 1204251)),
)


def put_together(folder: Path, rows: tuple[int, ...], columns: tuple[int, ...], read) -> np.ndarray:
    return np.concatenate(
        [np.concatenate([read(folder / f"PV01_{row}_{column}.png") for column in columns], 1) for row in rows]
    )


def reference(model: Model, image: np.ndarray) -> np.ndarray:
    window = np.hanning(TILE + 2)[1:-1].astype(np.float32)
    weight = (window[:, None] * window)[..., None]
    total = np.zeros((*image.shape[:2], len(model.classes)), np.float32)
    for top in range(0, image.shape[0] - TILE + 1, STEP):
        for left in range(0, image.shape[1] - TILE + 1, STEP):
            piece = np.s_[top : top + TILE, left : left + TILE]
            total[piece] += weight * model.probabilities(image[piece][None])[0]
    return total.argmax(-1)


def fitting(length: int, overlap: int) -> int:
    """The longest length up to one at which tiles overlap by exactly so much."""
    step = TILE - overlap
    return TILE + (length - TILE) // step * step


def tiled(model: Model, image: np.ndarray, tiling: Tiling) -> np.ndarray:
    bands = model.stitch(tiling, lambda top: Strip(image[top : top + TILE]))
    return np.concatenate([band.values for band in bands]).argmax(-1)


def near_seams(tiling: Tiling) -> np.ndarray:
    def near(starts: tuple[int, ...], length: int) -> np.ndarray:
        middles = [(first + TILE + second) / 2 for first, second in pairwise(starts)]
        places = np.arange(length) + 0.5
        return np.any([np.abs(places - middle) <= MARGIN for middle in middles], axis=0)

    return near(tiling.tops, tiling.height)[:, None] | near(tiling.lefts, tiling.width)


def compare(model: Model, mosaics: list[tuple[np.ndarray, ...]], overlap: int) -> np.ndarray:
    """Pixels near seams and elsewhere, those that changed, and what is in common and in all, tiled and reference."""
    sums = np.zeros(8)
    for image, mask, best in mosaics:
        height, width = (fitting(length, overlap) for length in image.shape[:2])
        tiling = Tiling(height, width, TILE, overlap)
        inner = np.s_[MARGIN : height - MARGIN, MARGIN : width - MARGIN]
        found = tiled(model, image[:height, :width], tiling)[inner]
        truth, wanted = mask[:height, :width][inner] > 0, best[:height, :width][inner]
        seam, changed = near_seams(tiling)[inner], found != wanted
        sums += [seam.sum(), (~seam).sum(), (changed & seam).sum(), (changed & ~seam).sum()] + [
            count
            for classes in (found > 0, wanted > 0)
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
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--tiles", type=Path, required=True)
    parser.add_argument("--overlaps", type=int, nargs="+", default=[0, 16, 32, 64, 96, 128])
    options = parser.parse_args()
    print("| encoder | overlap | changed | near seams | elsewhere | ratio | IoU | IoU, reference | work |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for path in options.models:
        model = load_model(path)
        mosaics = []
        for rows, columns in MOSAICS:
            image = put_together(options.tiles / "images", rows, columns, read_image)
            mask = put_together(options.tiles / "masks", rows, columns, read_mask_values)
            mosaics.append((image, mask, reference(model, image)))
        for line in lines(model, mosaics, options.overlaps):
            print(line, flush=True)


if __name__ == "__main__":
    main()
