"""IoU of models on generated EL cells that they never saw, and how it falls as images get worse.

    python benchmarks/generated_cells.py [MODEL ...] [--count 400] [--size 256] [--figure curves.png]
    python benchmarks/generated_cells.py runs/resnet34 runs/vgg16 runs/inceptionv3

Cells are generated with a seed of their own, four a module; the intervals resample modules. The width of a
crack is not exactly defined, so cracks are also scored with a tolerance of two pixels: precision is the share
of predicted crack pixels within two pixels of a crack, recall the share of crack pixels within two pixels of
a prediction, and F1 their harmonic mean. --figure adds noise, blur, less contrast and rotation, and writes a
figure and a table of the first model.
"""

import argparse
from pathlib import Path

import cv2
import matplotlib.pyplot as plt
import numpy as np

from solarseg import load_model
from solarseg.synthesis import CELL_CLASSES
from solarseg.synthesis.dataset import CELLS_PER_MODULE, generate_dataset_cell

SEED = 1_000
TOLERANCE = 2  # pixels
RESAMPLES = 1000
CLASSES = ("cell", "busbar", "crack", "inactive_area", "finger_interruption")


def cells(count, size):
    """Generate cells, listed by module."""
    drawn = [generate_dataset_cell(SEED, i, size) for i in range(count)]
    return [drawn[i : i + CELLS_PER_MODULE] for i in range(0, count, CELLS_PER_MODULE)]


def noisy(image, level, rng):
    return image + 255 * level * rng.standard_normal(image.shape)


def blurred(image, level, _):
    return cv2.GaussianBlur(image, (0, 0), level)[..., None] if level else image


def fainter(image, level, _):
    return image.mean() + (image - image.mean()) * level


ALTERATIONS = {
    "noise (standard deviation, share of the range)": (noisy, (0, 0.02, 0.04, 0.08, 0.16)),
    "blur (standard deviation, pixels)": (blurred, (0, 0.5, 1, 2, 4)),
    "contrast (remaining share)": (fainter, (1, 0.7, 0.5, 0.3, 0.15)),
    "rotation (degrees)": (None, (0, 2, 5, 10, 20, 45)),
}


def rotated(image, mask, degrees):
    """Rotate image and mask about the centre; outside the image the edge is repeated and the mask is 255."""
    size = image.shape[1::-1]
    turn = cv2.getRotationMatrix2D(((size[0] - 1) / 2, (size[1] - 1) / 2), degrees, 1)
    moved = cv2.warpAffine(mask, turn, size, flags=cv2.INTER_NEAREST, borderValue=255)
    return cv2.warpAffine(image, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[
        ..., None
    ], moved


def counts(truth, found):
    """Return counts to score a mask by, ``(classes + 2, 2)``.

    A row for each class has intersection and union. Two rows follow for cracks with tolerance: hits and total of the
    precision, and of the recall.
    """
    scored = truth != 255
    rows = []
    for name in CLASSES:
        class_id = CELL_CLASSES.names.index(name)
        a, b = (truth == class_id) & scored, (found == class_id) & scored
        rows.append(((a & b).sum(), (a | b).sum()))
    crack = CELL_CLASSES.names.index("crack")
    a, b = (truth == crack) & scored, (found == crack) & scored
    around_a, around_b = (
        cv2.distanceTransform((~one).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) <= TOLERANCE
        for one in (a, b)
    )
    rows += [((b & around_a).sum(), b.sum()), ((a & around_b).sum(), a.sum())]
    return np.array(rows, float)


def score(model, modules, alter=None, level=None):
    """Return counts of each module, ``(modules, classes + 2, 2)``."""
    rng = np.random.default_rng(0)
    found = []
    for module in modules:
        total = 0
        for image, mask in module:
            truth, seen = mask, image
            if alter is not None:
                seen = np.rint(alter(image.astype(np.float32), level, rng)).clip(0, 255).astype(np.uint8)
            elif level:
                seen, truth = rotated(image, mask, level)
            total = total + counts(truth, model.predict(seen))
        found.append(total)
    return np.stack(found)


def ratio(found):
    """Return the IoU of each class and the F1 of cracks with tolerance; NaN where there is nothing to score."""
    part, whole = found.sum(axis=0).T
    shares = np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0)
    precision, recall = np.nan_to_num(shares[-2:])
    scored = whole[-2:].any()
    return np.append(
        shares[:-2], 2 * precision * recall / max(precision + recall, 1e-9) if scored else np.nan
    )


def interval(found):
    rng = np.random.default_rng(0)
    drawn = [ratio(found[rng.integers(len(found), size=len(found))]) for _ in range(RESAMPLES)]
    return np.nanpercentile(drawn, [2.5, 97.5], axis=0)


def with_interval(found):
    """Return score, lower and upper limit of each class, ``(classes + 1, 3)``."""
    return np.stack([ratio(found), *interval(found)], axis=1)


def draw(path, curves):
    """Draw one panel for each alteration; classes differ by colour and marker, intervals are shaded."""
    figure, panels = plt.subplots(1, len(curves), figsize=(14, 3.6), sharey=True, layout="constrained")
    for panel, (title, (levels, values)) in zip(panels, curves.items(), strict=True):
        places = range(len(levels))
        for i, (name, marker) in enumerate(
            zip((*CLASSES, "crack, 2 pixels tolerance"), "hos^Dv", strict=True)
        ):
            class_id = CELL_CLASSES.names.index(name.split(",")[0])
            colour = np.array(CELL_CLASSES.colours[class_id]) / 255
            style = "--" if "," in name else "-"
            value, low, high = values[:, i].T
            panel.plot(places, value, style, marker=marker, color=colour, label=name)
            panel.fill_between(places, low, high, color=colour, alpha=0.12, linewidth=0)
        panel.set_xticks(places, [f"{level:g}" for level in levels])
        panel.set_xlabel(title)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel("IoU (with tolerance: F1)")
    panels[0].set_ylim(0, 1)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=6, frameon=False)
    figure.savefig(path, dpi=90)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=["el-cell"], help="model files, run folders or names")
    parser.add_argument("--count", type=int, default=400, help="number of cells")
    parser.add_argument(
        "--size", type=int, default=256, help="side of a cell, pixels; in field images about 100"
    )
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--figure", type=Path, help="PNG file to write; takes 17 times as long")
    options = parser.parse_args()
    modules = cells(options.count, options.size)
    models = {name: load_model(name, backend=options.backend) for name in options.models}
    plain = {name: score(model, modules) for name, model in models.items()}
    print_classes(plain)
    if options.figure:
        first = options.models[0]
        curves = robustness(models[first], modules, plain[first])
        print_curves(curves)
        draw(options.figure, curves)


def print_classes(plain):
    """Print one row for each class and one column for each model."""
    print(f"| IoU (95% interval) | {' | '.join(plain)} |\n| --- |{' ---: |' * len(plain)}")
    scores = np.stack([with_interval(found) for found in plain.values()], axis=1)
    for name, row in zip((*CLASSES, "crack, F1 within 2 pixels"), scores, strict=True):
        print(f"| {name} | {in_words(row)} |")


def in_words(row):
    return " | ".join("{:.3f} ({:.3f} to {:.3f})".format(*one) for one in row)


def robustness(model, modules, plain):
    """Return levels, and scores with intervals, of each alteration; the first level changes nothing."""
    curves = {}
    for title, (alter, levels) in ALTERATIONS.items():
        others = [score(model, modules, alter, level) for level in levels[1:]]
        curves[title] = (levels, np.stack([with_interval(found) for found in (plain, *others)]))
    return curves


def print_curves(curves):
    print(f"\n| alteration | level | {' | '.join(CLASSES)} | crack, F1 within 2 pixels |")
    print(f"| --- | ---: |{' ---: |' * (len(CLASSES) + 1)}")
    for title, (levels, values) in curves.items():
        for level, row in zip(levels, values, strict=True):
            print(f"| {title} | {level:g} | {in_words(row)} |")


if __name__ == "__main__":
    main()
