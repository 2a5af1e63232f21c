from copy import deepcopy

import cv2
import numpy as np
import pytest

from solarseg.datasets import open_dataset
from solarseg.errors import ArgumentError, OutputError
from solarseg.synthesis import CELL_CLASSES, Module, generate_cell, write_cells
from solarseg.synthesis.defects import (
    CRACK,
    FINGER_INTERRUPTION,
    INACTIVE_AREA,
    Defect,
    draw_defects,
    draw_mask,
)
from solarseg.synthesis.layout import SUBPIXELS, Layout, fill, stroke
from solarseg.synthesis.rendering import render

NAMES = ("background", "crack", "inactive_area", "finger_interruption")
# Pixels of each class, for seeds 0 to 5 at 64 pixels.
COUNTS = [
    [3511, 149, 430, 6],
    [4096, 0, 0, 0],
    [3791, 0, 273, 32],
    [3956, 0, 0, 140],
    [3971, 0, 125, 0],
    [3794, 260, 0, 42],
]
PSF_REACH = 4  # pixels: four standard deviations of the widest blur, at 256


@pytest.fixture(scope="module")
def cells():
    return [generate_cell(np.random.default_rng([7, i])) for i in range(60)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cells") / "nine"
    write_cells(path, count=9, size=64, seed=3)
    return path


def around(region, pixels):
    """Pixels within some distance of a region, and not in it."""
    kernel = np.ones((2 * pixels + 1, 2 * pixels + 1), np.uint8)
    return (cv2.dilate(region.astype(np.uint8), kernel) > 0) & ~region


def drawn(seed, size=256):
    """A cell as `generate_cell` draws it, with its parts."""
    rng = np.random.default_rng(seed)
    layout = Layout(Module.draw(rng), size)
    return rng, layout, draw_defects(rng, layout)


def contents(folder):
    return {
        file.relative_to(folder): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()
    }


def test_shapes_types_and_classes(cells):
    assert CELL_CLASSES.names == NAMES
    for image, mask in cells:
        assert (image.shape, image.dtype) == ((256, 256, 1), np.uint8)
        assert (mask.shape, mask.dtype) == ((256, 256), np.uint8)
        assert mask.max() < len(NAMES)


def test_a_seed_gives_the_same_cell_and_another_seed_another():
    first, again, other = (generate_cell(np.random.default_rng(seed), 128) for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_masks_are_the_same_on_every_machine():
    """Change these numbers knowingly: with them change the datasets that a seed stands for."""
    counts = [
        np.bincount(generate_cell(np.random.default_rng(i), 64)[1].ravel(), minlength=4) for i in range(6)
    ]
    assert [count.tolist() for count in counts] == COUNTS


@pytest.mark.parametrize("size", [32, 100, 300])
def test_every_size_shows_its_defects(size):
    for seed in range(25):
        _, layout, defects = drawn(seed, size)
        for defect in defects:
            assert draw_mask(layout, [defect]).any(), (seed, defect.class_id)


def test_brightness_is_neither_lost_nor_saturated(cells):
    for image, _ in cells:
        assert 30 < image[64:192, 64:192].mean() < 230
        assert (image == 255).mean() < 0.05
        assert image[:2].mean() < image.mean()  # the surround


def test_inactive_areas_are_darker_than_around(cells):
    found = 0
    for image, mask in cells:
        area = mask == INACTIVE_AREA
        beside = (
            around(area, 9) & (mask == 0) & (image[..., 0] > 0.5 * image.mean())
        )  # neither busbar nor edge
        if area.sum() > 100:
            found += 1
            assert image[area].mean() < 0.65 * image[beside].mean()
    assert found >= 10


@pytest.mark.parametrize(("class_id", "pixels", "margin"), [(CRACK, 7, 0.85), (FINGER_INTERRUPTION, 7, 0.9)])
def test_thin_defects_are_darker_than_their_neighbourhood(cells, class_id, pixels, margin):
    ratios = []
    for image, mask in cells[:50]:
        region = mask == class_id
        if region.any():
            ratios.append(image[region].mean() / image[around(region, pixels) & (mask == 0)].mean())
    assert len(ratios) >= 10
    assert np.mean(ratios) < margin


@pytest.mark.parametrize("seed", range(20))
def test_defects_change_the_image_where_the_mask_says_and_nowhere_else(seed):
    rng, layout, defects = drawn(seed)
    mask = draw_mask(layout, defects)
    image, sound = (render(deepcopy(rng), layout, present)[..., 0].astype(int) for present in (defects, []))
    darker = sound - image
    reach = around(mask > 0, PSF_REACH + 1) | (
        mask > 0
    )  # and one for pixels that are covered by less than half
    assert not darker[~reach].any()
    for class_id in set(mask[mask > 0]):
        assert darker[mask == class_id].mean() > 0.1 * sound[mask == class_id].mean()


def test_cells_without_defects_have_empty_masks():
    for seed in range(40):
        _, layout, defects = drawn(seed, 64)
        mask = generate_cell(np.random.default_rng(seed), 64)[1]
        assert mask.any() == bool(defects)
        assert not draw_mask(layout, []).any()


def test_a_crack_wins_over_an_interruption_and_that_over_an_inactive_area():
    layout = Layout(Module.draw(np.random.default_rng(0)), 64)
    light = np.ones((1, 1), np.float32)
    strip = {
        class_id: Defect(class_id, fill(64, [(x, 80), (160, 80), (160, 120), (x, 120)]), light)
        for class_id, x in ((CRACK, 120), (FINGER_INTERRUPTION, 80), (INACTIVE_AREA, 40))
    }
    for order in ((1, 2, 3), (3, 2, 1), (2, 1, 3)):
        row = draw_mask(layout, [strip[class_id] for class_id in order])[25]
        assert row[10:40:10].tolist() == [INACTIVE_AREA, FINGER_INTERRUPTION, CRACK]
        assert row[5] == row[50] == 0


def test_class_shares_are_sane(cells):
    masks = np.stack([mask for _, mask in cells])
    share = np.bincount(masks.ravel(), minlength=4) / masks.size
    present = [(masks == class_id).any(axis=(1, 2)).mean() for class_id in range(4)]
    assert 0.005 < share[CRACK] < 0.05
    assert 0.01 < share[INACTIVE_AREA] < 0.1
    assert 0.003 < share[FINGER_INTERRUPTION] < 0.03
    assert 0.1 < (masks == 0).all(axis=(1, 2)).mean() < 0.35
    assert all(0.2 < part < 0.8 for part in present[1:])


def test_fill_counts_subpixels():
    rng = np.random.default_rng(0)
    corners = rng.integers(-20, 100, (7, 2))
    fine = np.zeros((80, 80), np.uint8)
    cv2.fillPoly(fine, [corners.astype(np.int32)], 1)
    expected = fine.reshape(20, SUBPIXELS, 20, SUBPIXELS).mean(axis=(1, 3))
    np.testing.assert_array_equal(fill(20, corners), expected)
    assert not fill(20, corners, rows=(24, 48))[:6].any()
    np.testing.assert_array_equal(fill(20, corners, rows=(24, 48))[6:12], expected[6:12])


@pytest.mark.parametrize("width", [5, 7, 8, 14])
@pytest.mark.parametrize("end", [(900, 100), (900, 400), (100, 900)])
def test_lines_are_as_wide_as_asked(width, end):
    covered = stroke(256, [(100, 100), end], width).sum() * SUBPIXELS**2
    assert covered / np.hypot(end[0] - 100, end[1] - 100) == pytest.approx(width, abs=1.2)


def test_the_folder_opens_as_a_dataset(folder):
    data = open_dataset(folder)
    assert data.classes == CELL_CLASSES
    assert data.description.licence == "generated; no rights reserved"
    assert data.names == [f"cell_{i:04}" for i in range(9)]
    assert data.groups == ["module_000"] * 4 + ["module_001"] * 4 + ["module_002"]
    for sample in data:
        assert sample.image.shape == (64, 64, 1)
        assert sample.mask.shape == (64, 64)


def test_more_cells_leave_the_earlier_ones_alone(folder, tmp_path):
    write_cells(tmp_path / "two", count=2, size=64, seed=3)
    few, many = contents(tmp_path / "two"), contents(folder)
    shared = [name for name in few if name.suffix == ".png"]
    assert len(shared) == 4
    assert all(few[name] == many[name] for name in shared)


def test_cells_of_a_module_share_its_looks_and_differ_otherwise(folder):
    data = open_dataset(folder)
    images = [data[name].image for name in data.names]
    assert len({image.tobytes() for image in images}) == 9
    # Rows that busbars cross are the same in cells of a module.
    profiles = [np.median(image[..., 0], axis=1) / np.median(image) for image in images]
    same = [np.corrcoef(profiles[a], profiles[b])[0, 1] for a, b in ((0, 1), (0, 2), (4, 5), (6, 7))]
    assert min(same) > 0.6


def test_another_seed_gives_other_cells(folder, tmp_path):
    write_cells(tmp_path / "other", count=1, size=64, seed=4)
    image = next((tmp_path / "other" / "images").iterdir()).read_bytes()
    assert image not in contents(folder).values()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [({"count": 0}, "count"), ({"size": 31}, "size"), ({"size": 5000}, "size"), ({"seed": -1}, "seed")],
)
def test_arguments_out_of_range(tmp_path, arguments, named):
    with pytest.raises(ArgumentError, match=named):
        write_cells(tmp_path / "none", **{"count": 1, **arguments})
    assert not (tmp_path / "none").exists()


def test_a_single_cell_must_have_a_size_too():
    with pytest.raises(ArgumentError, match="size: 16"):
        generate_cell(np.random.default_rng(0), 16)


def test_what_is_there_is_not_overwritten(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="give another folder or remove it"):
        write_cells(tmp_path, count=1, size=32)
    with pytest.raises(OutputError, match=r"notes\.txt"):
        write_cells(tmp_path / "notes.txt", count=1, size=32)
    (tmp_path / "empty").mkdir()
    write_cells(tmp_path / "empty", count=1, size=32)
    assert len(open_dataset(tmp_path / "empty")) == 1
