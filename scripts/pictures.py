"""Make the pictures of generated cells and modules in README and docs.

python scripts/pictures.py [--out docs/images]
"""

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from solarseg import load_model
from solarseg.evaluation.figures import Example, draw_examples
from solarseg.evaluation.scores import confusion_matrix, iou, mean_defined
from solarseg.images import as_rgb, write_image
from solarseg.inference.model import Model
from solarseg.prediction.overlay import overlay, side_by_side
from solarseg.synthesis import CELL_CLASSES, Module, generate_cell, generate_photograph
from solarseg.synthesis.dataset import generate_dataset_cell

IMAGES = Path(__file__).resolve().parents[1] / "docs/images"
SEED, SHOWN = 2026, 106  # the seed of the demo, and a cell with defects of every class
ACROSS, SIDE = 7, 154
PHOTOGRAPHS = ((20, 29, 10), (4, 12, 34, 18, 27), (8, 14, 22))  # seeds of each row


def main() -> None:
    """Write all pictures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder for the pictures")
    folder = parser.parse_args().out
    write_image(folder / "generated.png", sheet())
    write_image(folder / "generated-modules.png", photographs())
    image, _ = generate_dataset_cell(SEED, SHOWN, 512)
    model = load_model("el-cell")
    write_image(folder / "el-cell.png", side_by_side(image, model.predict(image), model.classes))
    examples(model, folder)


def examples(model: Model, folder: Path) -> None:
    """Draw the best, median and worst of the demo's cells, by the mean IoU of the classes other than background."""
    cells = [(f"cell_{i:05}", *generate_dataset_cell(SEED, i, 256)) for i in range(24)]
    found = [Example(name, image, mask, model.predict(image)) for name, image, mask in cells]
    matrices = [confusion_matrix(one.truth, one.prediction, len(CELL_CLASSES)) for one in found]
    order = np.argsort(mean_defined(iou(np.stack(matrices))[:, 1:]))
    notes = {"best": order[-1], "median": order[len(order) // 2], "worst": order[0]}
    chosen = [replace(found[place], note=note) for note, place in notes.items()]
    title = f"best, median and worst of {len(cells)} images"
    draw_examples(chosen, CELL_CLASSES, folder / "examples.png", title)


def sheet() -> NDArray[np.uint8]:
    """Draw cells of both kinds, mono above poly, each with its mask below."""
    rows: list[NDArray[np.uint8]] = []
    for kind in ("mono", "poly"):
        rng = np.random.default_rng([SEED, len(rows)])
        drawn = [generate_cell(rng, SIDE, Module.draw(rng, kind)) for _ in range(ACROSS)]
        rows.append(np.hstack([as_rgb(image) for image, _ in drawn]))
        rows.append(np.hstack([overlay(image, mask, CELL_CLASSES) for image, mask in drawn]))
    return np.vstack(rows)


def photographs() -> NDArray[np.uint8]:
    """Draw photographs of modules, in rows that are equally wide."""
    rows = []
    for seeds in PHOTOGRAPHS:
        row = [as_rgb(generate_photograph(np.random.default_rng(seed), 800).image) for seed in seeds]
        joined = np.hstack([_with_height(image, 400) for image in row])
        rows.append(_with_height(joined, round(400 * ACROSS * SIDE / joined.shape[1])))
    narrowest = min(row.shape[1] for row in rows)
    return np.vstack([row[:, :narrowest] for row in rows])


def _with_height(image: NDArray[np.uint8], height: int) -> NDArray[np.uint8]:
    width = round(image.shape[1] * height / image.shape[0])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    main()
