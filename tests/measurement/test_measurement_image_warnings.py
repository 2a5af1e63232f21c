from dataclasses import replace

import numpy as np
import pytest

from solarseg.classes import ClassMap
from solarseg.measurement import find_warnings
from solarseg.synthesis import CELL_CLASSES, Module, generate_cell
from solarseg.synthesis.dataset import generate_dataset_cell

BARS = np.ones((100, 100), np.uint8)  # the mask of a cell with a busbar
BARS[48:52] = 2
CELLS = [generate_cell(np.random.default_rng([3, i]), 96) for i in range(30)]


def test_few_generated_cells_have_warnings():
    warned = [bool(find_warnings(image, mask, CELL_CLASSES)) for image, mask in CELLS]
    assert sum(warned) <= 4  # some are drawn black or saturated
    repeated = [bool(find_warnings(image.repeat(3, axis=-1), mask, CELL_CLASSES)) for image, mask in CELLS]
    assert repeated == warned


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.zeros((100, 100, 1), np.uint8), "black"),
        (np.zeros((100, 100, 1), np.uint16), "black"),
        (np.arange(10_000).reshape(100, 100, 1).astype(np.uint16) % 200, "black"),
        ((np.arange(10_000).reshape(100, 100, 1) % 5 < 2).astype(np.uint16), "black"),
        (
            np.linspace(100, 4095, 10_000).reshape(100, 100, 1).astype(np.uint16),
            "12-bit levels in a 16-bit file",
        ),
        (np.full((100, 100, 1), 255, np.uint8), "saturated"),
        (np.full((100, 100, 1), 65535, np.uint16), "saturated"),
        (np.tile(np.array([200, 120, 40], np.uint8), (100, 100, 1)), "in colour"),
    ],
)
def test_images_that_show_nothing_have_a_warning(image, expected):
    (warning,) = find_warnings(image, BARS, CELL_CLASSES)
    assert expected in warning


def module(cells=2):
    """Return the mask that a model would predict for a module of ``cells`` by ``cells`` cells."""
    mask = np.zeros((100, 100), np.uint8)
    side = 100 // cells
    for row in range(cells):
        for column in range(cells):
            mask[row * side + 2 : (row + 1) * side - 2, column * side + 2 : (column + 1) * side - 2] = 1
            mask[row * side + side // 2, column * side + 2 : (column + 1) * side - 2] = 2
    return mask


@pytest.mark.parametrize("scale", [1.0, 1200.0])
def test_floats_may_be_shares_or_counts(scale):
    image = np.linspace(0.1, 0.9, 10_000, dtype=np.float32).reshape(100, 100, 1) * np.float32(scale)
    assert find_warnings(image, BARS, CELL_CLASSES) == ()


@pytest.mark.parametrize("brightest", [1023, 4095, 16383, 4095 << 4, 65535])
def test_clipped_images_are_saturated_whether_or_not_they_fill_their_depth(brightest):
    image = np.full((100, 100, 1), brightest, np.uint16)
    image[:70] = np.arange(70 * 100).reshape(70, 100, 1) * 0.9 * brightest / 7000
    warnings = find_warnings(image, BARS, CELL_CLASSES)
    assert "saturated" in warnings[-1]
    assert len(warnings) == (2 if brightest < 4096 else 1)


def test_masks_without_a_class_cell_have_no_warnings():
    classes = ClassMap(("background", "crack"))
    assert find_warnings(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.uint8), classes) == ()


def test_a_module_and_an_image_without_a_cell_have_a_warning():
    grey = np.add.outer(np.arange(100), np.arange(100)).astype(np.uint8)[..., None]
    for cells in (2, 4, 8):
        assert "several cells" in find_warnings(grey, module(cells), CELL_CLASSES)[0]
    assert "no cell: " in find_warnings(grey, np.zeros((100, 100), np.uint8), CELL_CLASSES)[0]
    assert find_warnings(grey, module(1), CELL_CLASSES) == ()


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (2, 3), (6, 10), (12, 6)])
def test_a_module_is_detected_by_its_gaps_if_the_mask_has_none(rows, columns):
    cells = [
        [
            np.pad(
                generate_dataset_cell(5, 4 * (row * columns + column), 64)[0][..., 0], 2, constant_values=20
            )
            for column in range(columns)
        ]
        for row in range(rows)
    ]
    image = np.block(cells)[..., None]
    assert "several cells" in find_warnings(image, np.ones(image.shape[:2], np.uint8), CELL_CLASSES)[0]


def warnings_of(image, mask=None):
    return find_warnings(image[..., None], BARS if mask is None else mask, CELL_CLASSES)


def test_images_of_other_things_are_detected_by_their_mask():
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(100), np.arange(100)).astype(np.uint8)
    assert warnings_of(smooth) == ()
    assert "noise" in warnings_of(rng.integers(0, 255, (100, 100), dtype=np.uint8))[0]
    assert "no busbars" in warnings_of(smooth, np.ones((100, 100), np.uint8))[0]
    assert "inverted" in warnings_of(smooth, np.where(BARS == 1, 4, BARS).astype(np.uint8))[0]


def test_cells_with_pads_have_enough_metal():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        module = replace(Module.draw(rng, "mono"), back_contacts=True)
        image, mask = generate_cell(rng, 128, module)
        assert "no busbars" not in " ".join(find_warnings(image, mask, CELL_CLASSES))


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (63, 100, "small: 100 x 63"),
        (20, 20, "small: 20 x 20"),
        (100, 300, "several cells"),
        (64, 64, None),
        (100, 200, None),
    ],
)
def test_images_too_small_or_too_long_have_a_warning(height, width, expected):
    image = np.add.outer(np.arange(height), np.arange(width)).astype(np.float32)
    mask = np.ones((height, width), np.uint8)
    mask[height // 2 :][:3] = 2
    found = warnings_of(image, mask)
    assert found == () if expected is None else expected in found[0]
