"""What the figures of cells rest on: how cracks are scored with a tolerance, and real cells are halved and ranked."""

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
CELL, CRACK, IGNORED = 1, 3, 255


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generated():
    return load("generated_cells")


@pytest.fixture(scope="module")
def elpv():
    return load("elpv")


def masks():
    """A crack of twenty pixels; found are half of it two and three columns beside, and thirty far from it."""
    truth, found = np.ones((2, 40, 40), np.uint8)
    truth[10:30, 10] = CRACK
    found[10:20, 12:14] = CRACK
    found[5:35, 30] = CRACK
    return truth, found


def test_cracks_are_scored_within_two_pixels(generated):
    truth, found = masks()
    counts = generated.counts(truth, found)
    assert counts[-2].tolist() == [10, 50]  # what was found
    # Rows 10 to 19 lie two from it; row 20 one more down, the root of five away, no more.
    assert counts[-1].tolist() == [10, 20]
    scores = generated.ratio(counts[None])
    crack = generated.CLASSES.index("crack")
    assert scores[crack] == 0  # no pixel in common
    assert scores[-1] == pytest.approx(2 * 0.2 * 0.5 / (0.2 + 0.5))
    assert scores[generated.CLASSES.index("cell")] == pytest.approx((1600 - 70) / 1600)


def test_what_is_beyond_the_image_is_not_scored(generated):
    truth, found = masks()
    truth[:, 25:] = IGNORED
    assert generated.counts(truth, found)[-2].tolist() == [10, 20]


def test_a_model_that_finds_nothing_scores_nothing(generated):
    truth, _ = masks()
    nothing = np.ones_like(truth)
    assert generated.ratio(generated.counts(truth, nothing)[None])[-1] == 0
    assert np.isnan(generated.ratio(generated.counts(nothing, nothing)[None])[-1])


def test_turning_moves_image_and_mask_alike_and_marks_what_lies_beyond(generated):
    mask = np.ones((64, 64), np.uint8)
    mask[20:40, 20:30] = CRACK
    image = np.where(mask == CRACK, 10, 200).astype(np.uint8)[..., None]
    moved, turned = generated.rotated(image, mask, 30)
    inside = turned != IGNORED
    assert 0.7 < inside.mean() < 0.95
    assert ((moved[..., 0] < 105) == (turned == CRACK))[inside].mean() > 0.98
    same, still = generated.rotated(image, mask, 0)
    assert np.array_equal(same, image)
    assert np.array_equal(still, mask)


def test_the_area_under_the_curve_is_the_share_of_pairs_in_order(elpv):
    rng = np.random.default_rng(0)
    defective = np.arange(60) % 3 == 0
    scores = rng.normal(size=60) + defective
    pairs = scores[defective][:, None] - scores[~defective][None]
    area, low, high = elpv.auc(defective, scores)
    assert area == pytest.approx((pairs > 0).mean())
    assert low < area < high


def test_halves_share_no_cell_and_are_alike(elpv, tmp_path):
    rows = [
        {
            "image": f"cell{i:04}.png",
            "defect_probability": f"{i % 3 / 2:.4f}",
            "cell_type": ("mono", "poly")[i % 2],
        }
        for i in range(120)
    ]
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    first, second = elpv.halves(tmp_path).values()
    names = [{row["image"] for row in half} for half in (first, second)]
    assert not names[0] & names[1]
    assert len(names[0] | names[1]) == 120
    strata = [
        sorted((row["cell_type"], row["defect_probability"]) for row in half) for half in (first, second)
    ]
    assert strata[0] == strata[1]
    assert elpv.halves(tmp_path) == elpv.halves(tmp_path)


def test_neighbours_by_number_are_found(elpv):
    rows = [{"image": f"cell{i:04}.png"} for i in (3, 10, 20)]
    assert elpv.alone(rows, [{"image": "cell0009.png"}, {"image": "cell0022.png"}]).tolist() == [
        True,
        False,
        True,
    ]
