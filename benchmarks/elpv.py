"""How well severity tells defective cells from sound ones, on real EL images that nothing was trained on.

    python benchmarks/elpv.py el-cell ../shared/data/elpv-cells [--half development|frozen] [--sheets DIR]

The data is ELPV (Buerhop-Lutz, Deitsch et al., CC BY-NC-SA 4.0): single cells, each with the probability that it is
defective, judged by a person. A stratified half was frozen before anything was looked at: generator and formula were
tuned by looking at the other one. Images name no module, so intervals resample cells and are a little too narrow. Cells
whose numbers follow one another may be of one module: a second table leaves out those that have such a neighbour in the
other half. Of the development half it also prints what other weights of severity would give.
"""

import argparse
import csv
import hashlib
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from sklearn.metrics import roc_auc_score

from solarseg import load_model
from solarseg.images import read_image
from solarseg.measurement import measure_cell
from solarseg.prediction.overlay import side_by_side

RESAMPLES = 2000
WEIGHTS = [
    (crack, interruption) for crack in (0.05, 0.1, 0.2, 0.4) for interruption in (0, 0.005, 0.01, 0.03)
]
SHEET = (4, 5)  # pictures across and down


def halves(folder):
    """Every second cell of each stratum, ordered by a hash of its name, is frozen."""
    with (folder / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    strata = defaultdict(list)
    for row in rows:
        strata[row["cell_type"], row["defect_probability"]].append(row)
    found = {"development": [], "frozen": []}
    for key in sorted(strata):
        ordered = sorted(strata[key], key=lambda row: hashlib.sha256(row["image"].encode()).hexdigest())
        found["development"] += ordered[::2]
        found["frozen"] += ordered[1::2]
    return found


def auc(defective, scores, seed=0):
    """Area under the ROC curve, with the 95% interval of a bootstrap over cells, within each class."""
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(defective == value) for value in (False, True)]
    samples = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rng.choice(one, len(one)) for one in classes])
        samples.append(roc_auc_score(defective[drawn], scores[drawn]))
    return roc_auc_score(defective, scores), *np.percentile(samples, [2.5, 97.5])


def simple_scores(image):
    """What needs no network, for scale."""
    return {"contrast": image.std() / image.mean(), "darkness": -image.mean()}


def alone(rows, others):
    """Which cells have no neighbour, by number, among others."""
    numbers = {int(row["image"][4:-4]) for row in others}
    return np.array(
        [not numbers & {number - 1, number + 1} for number in (int(r["image"][4:-4]) for r in rows)]
    )


def weigh(rows, measured):
    """Areas under the curve, 1 against 0, with other weights of severity."""
    probability = np.array([float(row["defect_probability"]) for row in rows])
    kinds = np.array([row["cell_type"] for row in rows])
    inactive, crack, interruption = (
        np.array([getattr(one, name) for one in measured])
        for name in ("inactive_share", "crack_length", "interruption_length")
    )
    side = np.array([one.cell_side for one in measured])
    print("\n| weight of cracks | of interruptions | mono | poly |\n| ---: | ---: | ---: | ---: |")
    for one, other in WEIGHTS:
        score = inactive + (one * crack + other * interruption) / side
        areas = []
        for kind in ("mono", "poly"):
            chosen = (kinds == kind) & ((probability < 0.1) | (probability > 0.9))
            areas.append(roc_auc_score(probability[chosen] > 0.5, score[chosen]))
        print(f"| {one:g} | {other:g} | {areas[0]:.3f} | {areas[1]:.3f} |")


def table(rows, scores):
    """A row for each kind of cell, question and score."""
    probability = np.array([float(row["defect_probability"]) for row in rows])
    kinds = np.array([row["cell_type"] for row in rows])
    print(
        "| cells | question | score | area under the ROC curve (95%) | cells |\n| --- | --- | --- | ---: | ---: |"
    )
    for kind in ("mono", "poly"):
        for question, asked, positive in (
            ("1 against 0", (probability < 0.1) | (probability > 0.9), probability > 0.5),
            ("above against below 1/2", probability >= 0, probability > 0.5),
        ):
            chosen = asked & (kinds == kind)
            for name, values in scores.items():
                area, low, high = auc(positive[chosen], values[chosen])
                print(
                    f"| {kind} | {question} | {name} | {area:.3f} ({low:.3f} to {high:.3f}) | {chosen.sum()} |"
                )


def sheet(path, pictures, titles):
    """Pictures side by side, each with its title."""
    across, down = SHEET
    shown = []
    for picture, title in zip(pictures, titles, strict=True):
        small = cv2.resize(picture, (440, 220), interpolation=cv2.INTER_AREA)
        titled = cv2.copyMakeBorder(small, 20, 4, 2, 2, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        shown.append(
            cv2.putText(titled, title, (4, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        )
    shown += [np.full_like(shown[0], 255)] * (across * down - len(shown))
    cv2.imwrite(
        str(path),
        np.vstack([np.hstack(shown[i : i + across]) for i in range(0, across * down, across)])[..., ::-1],
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--half", choices=["development", "frozen"], default="development")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--sheets", type=Path)
    asked = parser.parse_args()

    model = load_model(asked.model, backend=asked.backend)
    rows = halves(asked.data)[asked.half]
    measured, pictures, simple = [], [], defaultdict(list)
    for row in rows:
        image = read_image(asked.data / "images" / row["image"])
        mask = model.predict(image)
        measured.append(measure_cell(mask, model.classes, image))
        for name, value in simple_scores(image.astype(float)).items():
            simple[name].append(value)
        if asked.sheets:
            pictures.append(side_by_side(image, mask, model.classes))
    scores = {"severity": np.array([one.severity for one in measured])}
    scores |= {"inactive share alone": np.array([one.inactive_share for one in measured])}
    scores |= {"crack length alone": np.array([one.crack_length for one in measured])}
    scores |= {"interruptions alone": np.array([one.interruption_length for one in measured])}
    table(rows, scores | {name: np.array(values) for name, values in simple.items()})
    apart = alone(rows, halves(asked.data)["frozen" if asked.half == "development" else "development"])
    print(f"\nWithout the {(~apart).sum()} cells that have a neighbour in the other half:\n")
    table(
        [row for row, kept in zip(rows, apart, strict=True) if kept], {"severity": scores["severity"][apart]}
    )
    if asked.half == "development":
        weigh(rows, measured)
    if asked.sheets:
        asked.sheets.mkdir(parents=True, exist_ok=True)
        write_sheets(asked.sheets, rows, scores["severity"], pictures)


def write_sheets(folder, rows, severity, pictures):
    """The most and least severe of sound and of defective cells."""
    for kind in ("mono", "poly"):
        for probability, name in (("0.0000", "sound"), ("1.0000", "defective")):
            chosen = [
                i
                for i, row in enumerate(rows)
                if (row["cell_type"], row["defect_probability"]) == (kind, probability)
            ]
            ordered = sorted(chosen, key=lambda i: severity[i])
            for order, which in ((ordered, "least"), (ordered[::-1], "most")):
                first = order[: SHEET[0] * SHEET[1]]
                titles = [f"{rows[i]['image'][:-4]}  severity {severity[i]:.3f}" for i in first]
                sheet(folder / f"{kind}-{name}-{which}-severe.png", [pictures[i] for i in first], titles)


if __name__ == "__main__":
    main()
