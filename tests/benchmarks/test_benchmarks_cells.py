"""The scores of benchmarks on cells: cracks with a tolerance; labels, halves and ranks of real cells."""

import numpy as np
import pytest

CELL, CRACK, IGNORED = 1, 3, 255


@pytest.fixture
def generated(load_benchmark):
    return load_benchmark("generated_cells")


@pytest.fixture
def elpv(load_benchmark):
    return load_benchmark("elpv")


def masks():
    """A crack of 20 pixels; predicted are 20 pixels two and three columns from half of it, and 30 far from it."""
    truth, found = np.ones((2, 40, 40), np.uint8)
    truth[10:30, 10] = CRACK
    found[10:20, 12:14] = CRACK
    found[5:35, 30] = CRACK
    return truth, found


def test_cracks_are_scored_within_two_pixels(generated):
    truth, found = masks()
    counts = generated.counts(truth, found)
    assert counts[-2].tolist() == [10, 50]  # predicted
    # Rows 10 to 19 are two pixels from a prediction; row 20 is the root of five away.
    assert counts[-1].tolist() == [10, 20]
    scores = generated.ratio(counts[None])
    crack = generated.CLASSES.index("crack")
    assert scores[crack] == 0  # no pixel in common
    assert scores[-1] == pytest.approx(2 * 0.2 * 0.5 / (0.2 + 0.5))
    assert scores[generated.CLASSES.index("cell")] == pytest.approx((1600 - 70) / 1600)


def test_ignored_pixels_are_not_scored(generated):
    truth, found = masks()
    truth[:, 25:] = IGNORED
    assert generated.counts(truth, found)[-2].tolist() == [10, 20]


def test_a_model_that_finds_nothing_scores_zero(generated):
    truth, _ = masks()
    nothing = np.ones_like(truth)
    assert generated.ratio(generated.counts(truth, nothing)[None])[-1] == 0
    assert np.isnan(generated.ratio(generated.counts(nothing, nothing)[None])[-1])


def test_rotation_moves_image_and_mask_alike_and_ignores_what_is_outside(generated):
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


def test_labels_of_the_download_and_with_a_header_are_equal(elpv, tmp_path):
    published = tmp_path / "published/elpv-dataset-master/src/elpv_dataset/data"
    published.mkdir(parents=True)
    (published / "labels.csv").write_text(
        "images/cell0001.png  1.0                 mono\nimages/cell0002.png  0.3333333333333333  poly\n",
        encoding="utf-8",
    )
    (tmp_path / "ours").mkdir()
    (tmp_path / "ours/labels.csv").write_text(
        "image,defect_probability,cell_type\ncell0001.png,1.0000,mono\ncell0002.png,0.3333,poly\n",
        encoding="utf-8",
    )
    for folder, images in (
        ("published", published / "images"),
        ("ours", tmp_path / "ours/images"),
    ):
        assert elpv.read_labels(tmp_path / folder) == [
            {
                "image": "cell0001.png",
                "path": images / "cell0001.png",
                "defect_probability": "1.0000",
                "cell_type": "mono",
            },
            {
                "image": "cell0002.png",
                "path": images / "cell0002.png",
                "defect_probability": "0.3333",
                "cell_type": "poly",
            },
        ]


def test_missing_labels_name_the_download(elpv, tmp_path):
    with pytest.raises(SystemExit, match="get the data with 'solarseg data download elpv"):
        elpv.read_labels(tmp_path)


def test_halves_share_no_cell_and_have_the_same_strata(elpv):
    rows = [
        {
            "image": f"cell{i:04}.png",
            "defect_probability": f"{i % 3 / 2:.4f}",
            "cell_type": ("mono", "poly")[i % 2],
        }
        for i in range(120)
    ]
    first, second = elpv.halves(rows).values()
    names = [{row["image"] for row in half} for half in (first, second)]
    assert not names[0] & names[1]
    assert len(names[0] | names[1]) == 120
    strata = [
        sorted((row["cell_type"], row["defect_probability"]) for row in half) for half in (first, second)
    ]
    assert strata[0] == strata[1]
    assert elpv.halves(rows) == elpv.halves(rows[::-1])


def test_neighbours_by_number_are_found(elpv):
    rows = [{"image": f"cell{i:04}.png"} for i in (3, 10, 20)]
    assert elpv.alone(rows, [{"image": "cell0009.png"}, {"image": "cell0022.png"}]).tolist() == [
        True,
        False,
        True,
    ]
