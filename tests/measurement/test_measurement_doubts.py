from dataclasses import replace

import numpy as np
import pytest

from solarseg.classes import ClassMap
from solarseg.measurement import find_doubts
from solarseg.synthesis import CELL_CLASSES, Module, generate_cell
from solarseg.synthesis.dataset import generate_dataset_cell

BARS = np.ones((100, 100), np.uint8)  # the mask of a cell with a busbar
BARS[48:52] = 2
CELLS = [generate_cell(np.random.default_rng([3, i]), 96) for i in range(30)]


def test_cells_are_hardly_doubted():
    doubted = [bool(find_doubts(image, mask, CELL_CLASSES)) for image, mask in CELLS]
    assert sum(doubted) <= 4  # some are drawn black or saturated
    repeated = [bool(find_doubts(image.repeat(3, axis=-1), mask, CELL_CLASSES)) for image, mask in CELLS]
    assert repeated == doubted


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.zeros((100, 100, 1), np.uint8), "black"),
        (np.zeros((100, 100, 1), np.uint16), "black"),
        (np.arange(10_000).reshape(100, 100, 1).astype(np.uint16) % 200, "black"),
        ((np.arange(10_000).reshape(100, 100, 1) % 5 < 2).astype(np.uint16), "black"),
        (np.linspace(100, 4095, 10_000).reshape(100, 100, 1).astype(np.uint16), "12 bits in a file of 16"),
        (np.full((100, 100, 1), 255, np.uint8), "saturated"),
        (np.full((100, 100, 1), 65535, np.uint16), "saturated"),
        (np.tile(np.array([200, 120, 40], np.uint8), (100, 100, 1)), "in colour"),
    ],
)
def test_what_is_odd_is_said(image, expected):
    (doubt,) = find_doubts(image, BARS, CELL_CLASSES)
    assert expected in doubt


def module(cells=2):
    """A module of several cells with gaps between, as a model would see it."""
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
    assert find_doubts(image, BARS, CELL_CLASSES) == ()


@pytest.mark.parametrize("brightest", [1023, 4095, 16383, 4095 << 4, 65535])
def test_clipped_images_are_saturated_whether_or_not_they_fill_their_depth(brightest):
    image = np.full((100, 100, 1), brightest, np.uint16)
    image[:70] = np.arange(70 * 100).reshape(70, 100, 1) * 0.9 * brightest / 7000
    doubts = find_doubts(image, BARS, CELL_CLASSES)
    assert "saturated" in doubts[-1]
    assert len(doubts) == (2 if brightest < 4096 else 1)


def test_pictures_of_other_things_are_not_doubted():
    classes = ClassMap(("background", "crack"))
    assert find_doubts(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.uint8), classes) == ()


def test_a_whole_module_and_a_picture_without_a_cell_are_noticed():
    grey = np.add.outer(np.arange(100), np.arange(100)).astype(np.uint8)[..., None]
    for cells in (2, 4, 8):
        assert "several cells" in find_doubts(grey, module(cells), CELL_CLASSES)[0]
    assert "no cell: " in find_doubts(grey, np.zeros((100, 100), np.uint8), CELL_CLASSES)[0]
    assert find_doubts(grey, module(1), CELL_CLASSES) == ()


@pytest.mark.parametrize(("rows", "columns"), [(2, 2), (2, 3), (6, 10), (12, 6)])
def test_a_module_is_noticed_by_its_gaps_where_the_mask_has_none(rows, columns):
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
    assert "several cells" in find_doubts(image, np.ones(image.shape[:2], np.uint8), CELL_CLASSES)[0]


def odd(image, mask=None):
    return find_doubts(image[..., None], BARS if mask is None else mask, CELL_CLASSES)


def test_what_is_no_el_image_of_a_cell_is_noticed_by_what_is_found_in_it():
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.arange(100), np.arange(100)).astype(np.uint8)
    assert odd(smooth) == ()
    assert "noise" in odd(rng.integers(0, 255, (100, 100), dtype=np.uint8))[0]
    assert "no busbars" in odd(smooth, np.ones((100, 100), np.uint8))[0]
    assert "inverted" in odd(smooth, np.where(BARS == 1, 4, BARS).astype(np.uint8))[0]


def test_cells_with_pads_alone_have_metal_enough():
    for seed in range(40):
        rng = np.random.default_rng(seed)
        module = replace(Module.draw(rng, "mono"), back_contacts=True)
        image, mask = generate_cell(rng, 128, module)
        assert "no busbars" not in " ".join(find_doubts(image, mask, CELL_CLASSES))


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
def test_images_too_small_or_too_long_are_noticed(height, width, expected):
    image = np.add.outer(np.arange(height), np.arange(width)).astype(np.float32)
    mask = np.ones((height, width), np.uint8)
    mask[height // 2 :][:3] = 2
    found = odd(image, mask)
    assert found == () if expected is None else expected in found[0]
