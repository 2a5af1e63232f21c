"""Area under the ROC curve: how well severity separates defective cells from sound ones, on real EL images.

    solarseg data download elpv --out downloads/elpv
    python benchmarks/elpv.py [MODEL] --data downloads/elpv [--half all|development|frozen] [--sheets DIR]

ELPV (Buerhop-Lutz, Deitsch et al., CC BY-NC-SA 4.0) has 2,624 images of single cells, each with the
probability that the cell is defective, judged by a person. No model of this project was trained on them. The
published figures are of 654 of these cells. A stratified half of those was frozen before anything was looked
at; the generator of cells and the formula of severity were tuned on the other half. Of another set of cells,
for example of all, the halves are other cells.

The labels do not name the module of a cell, so the intervals resample cells and are a little too narrow.
Cells with consecutive numbers may be of one module: a second table leaves out cells with such a neighbour in
the other half. For the development half the script also prints what other weights in the formula of severity
would give.
"""

import argparse
import csv
import hashlib
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track
from sklearn.metrics import roc_auc_score

from solarseg import load_model
from solarseg.images import read_image
from solarseg.measurement import measure_cell
from solarseg.prediction.overlay import side_by_side

HALVES = ("development", "frozen")
RESAMPLES = 2000
WEIGHTS = [
    (crack, interruption) for crack in (0.05, 0.1, 0.2, 0.4) for interruption in (0, 0.005, 0.01, 0.03)
]
SHEET = (4, 5)  # pictures across and down


def read_labels(folder):
    """Read the labels of the download, or of a folder with images/ and a labels.csv with a header.

    Returns:
        A dictionary for each cell: ``path`` of the image, its name (``image``), ``defect_probability`` with four
        digits, and ``cell_type``, ``"mono"`` or ``"poly"``.
    """
    file = next(iter(sorted(folder.rglob("labels.csv"))), None)
    if file is None:
        raise SystemExit(
            f"{folder}: no labels.csv; get the data with 'solarseg data download elpv --out {folder}'"
        )
    lines = file.read_text(encoding="utf-8").splitlines()
    if "," in lines[0]:
        rows = list(csv.DictReader(lines))
    else:  # the published file has no header, and spaces between columns
        rows = [
            dict(zip(("image", "defect_probability", "cell_type"), line.split(), strict=True))
            for line in lines
        ]
    for row in rows:
        name = Path(row["image"]).name
        path, probability = file.parent / "images" / name, float(row["defect_probability"])
        row |= {"image": name, "path": path, "defect_probability": f"{probability:.4f}"}
    return rows


def halves(rows):
    """Divide cells in two: every second cell of each stratum, ordered by a hash of its name, is frozen."""
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
    """Return the area under the ROC curve and its 95% interval, by a bootstrap over cells within each class."""
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(defective == value) for value in (False, True)]
    samples = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([rng.choice(one, len(one)) for one in classes])
        samples.append(roc_auc_score(defective[drawn], scores[drawn]))
    return roc_auc_score(defective, scores), *np.percentile(samples, [2.5, 97.5])


def simple_scores(image):
    """Return scores that need no network, for comparison."""
    return {"contrast": image.std() / image.mean(), "darkness": -image.mean()}


def alone(rows, others):
    """Return which cells have no neighbour, by number, among others."""
    numbers = {int(row["image"][4:-4]) for row in others}
    return np.array(
        [not numbers & {number - 1, number + 1} for number in (int(r["image"][4:-4]) for r in rows)]
    )


def weigh(rows, measured):
    """Print the areas under the curve, 1 against 0, with other weights in the formula of severity."""
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
    """Print a row for each kind of cell, question and score."""
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
    """Write pictures side by side, each with its title."""
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
    parser.add_argument("model", nargs="?", default="el-cell", help="model file, run folder or shipped model")
    parser.add_argument("--data", type=Path, default=Path("downloads/elpv"), help="folder of the download")
    parser.add_argument("--half", choices=["all", *HALVES], default="all")
    parser.add_argument("--limit", type=int, help="number of cells of each stratum; fewer to try it")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--sheets", type=Path, help="folder for pictures of the best and worst cells")
    options = parser.parse_args()

    every = read_labels(options.data)
    rows = every if options.half == "all" else halves(every)[options.half]
    rows = first_of_each_stratum(rows, options.limit)
    model = load_model(options.model, backend=options.backend)
    measured, pictures, simple = [], [], defaultdict(list)
    for row in track(rows, "predicting"):
        image = read_image(row["path"])
        mask = model.predict(image)
        measured.append(measure_cell(mask, model.classes, image))
        for name, value in simple_scores(image.astype(float)).items():
            simple[name].append(value)
        if options.sheets:
            pictures.append(side_by_side(image, mask, model.classes))
    severity = np.array([cell.severity for cell in measured])
    scores = {"severity": severity}
    scores |= {"inactive share alone": np.array([cell.inactive_share for cell in measured])}
    scores |= {"crack length alone": np.array([cell.crack_length for cell in measured])}
    scores |= {"interruptions alone": np.array([cell.interruption_length for cell in measured])}
    table(rows, scores | {name: np.array(values) for name, values in simple.items()})
    if options.half != "all":
        (other,) = set(HALVES) - {options.half}
        kept = alone(rows, halves(every)[other])
        print(f"\nWithout the {(~kept).sum()} cells that have a neighbour in the other half:\n")
        table([row for row, keep in zip(rows, kept, strict=True) if keep], {"severity": severity[kept]})
    if options.half == "development":
        weigh(rows, measured)
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
        write_sheets(options.sheets, rows, severity, pictures)


def first_of_each_stratum(rows, limit):
    """Take the first cells of each kind and probability; all if there is no limit."""
    taken = Counter()
    chosen = []
    for row in rows:
        stratum = row["cell_type"], row["defect_probability"]
        taken[stratum] += 1
        if limit is None or taken[stratum] <= limit:
            chosen.append(row)
    return chosen


def write_sheets(folder, rows, severity, pictures):
    """Write the most and least severe of sound and of defective cells."""
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
