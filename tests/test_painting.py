from itertools import combinations

import cv2
import numpy as np
import pytest

from solarseg.classes import ClassMap
from solarseg.errors import ArgumentError
from solarseg.evaluation.figures import DIFFERENCES
from solarseg.painting import (
    class_hatches,
    contrasting_ink,
    draw_legend,
    draw_swatch,
    draw_text,
    fit_size,
    format_percent,
    paint_mask,
    resize_for_display,
    stack_horizontally,
    stack_vertically,
)

RED, BLUE, YELLOW = (200, 0, 0), (0, 0, 160), (240, 230, 60)
CLASSES = ClassMap(("background", "crack", "dead", "dark"), colours=((0, 0, 0), YELLOW, BLUE, RED))

# Machado, Oliveira, Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "tritanopia": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}


def linear(colours):
    level = np.asarray(colours) / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)


def seen(colours, vision):
    """Return the CIELAB of colours as people with a colour vision deficiency see them."""
    rgb = (linear(colours) @ np.transpose(VISION[vision])).clip(0, 1)
    srgb = np.where(rgb <= 0.0031308, rgb * 12.92, 1.055 * rgb ** (1 / 2.4) - 0.055)
    return cv2.cvtColor(srgb[None].astype(np.float32), cv2.COLOR_RGB2LAB)[0]


def closest(values):
    return min(np.linalg.norm(a - b) for a, b in combinations(values, 2))


@pytest.mark.parametrize("vision", VISION)
def test_colours_of_differences_are_distinct_with_any_colour_vision_and_in_grey(vision):
    lab = seen(DIFFERENCES.colours[1:], vision)
    assert closest(lab) > 25  # a just noticeable difference is about 2
    assert closest(lab[:, :1]) > 10


@pytest.mark.parametrize("vision", VISION)
def test_default_class_colours_are_distinct_with_any_colour_vision(vision):
    classes = ClassMap(tuple("abcdefgh"))
    assert closest(seen(classes.colours[1:], vision)) > 12


def test_contrasting_ink_contrasts_at_least_4_5_to_1_with_every_colour():
    levels = np.linspace(0, 255, 18)
    colours = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    weights = np.array([0.2126, 0.7152, 0.0722])
    paper, letters = linear(colours) @ weights, linear(contrasting_ink(colours)) @ weights
    contrast = (np.maximum(paper, letters) + 0.05) / (np.minimum(paper, letters) + 0.05)
    assert contrast.min() >= 4.5


def test_paint_mask_by_hand():
    picture = np.full((1, 9, 3), 100, np.uint8)
    mask = np.array([[0, 0, 1, 1, 1, 2, 2, 2, 0]], np.uint8)
    painted = paint_mask(picture, mask, CLASSES, 0.5)[0].tolist()
    assert painted == [
        [100, 100, 100],
        [0, 0, 0],  # casing of light yellow
        list(YELLOW),
        [170, 165, 80],  # half of each
        list(YELLOW),  # no casing between classes
        list(BLUE),
        [50, 50, 130],
        list(BLUE),
        [255, 255, 255],  # casing of dark blue
    ]


def test_no_outline_at_the_edge_of_the_image():
    painted = paint_mask(np.zeros((8, 8, 3), np.uint8), np.ones((8, 8), np.uint8), CLASSES, 0.5)
    assert (painted == [120, 115, 30]).all()


def test_wider_lines_stay_within_their_width():
    mask = np.zeros((40, 40), np.uint8)
    mask[10:30, 10:30] = 1
    picture = np.full((40, 40, 3), 77, np.uint8)
    painted = paint_mask(picture, mask, CLASSES, 0.5, width=3)
    changed = (painted != picture).any(axis=-1)
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (7, 32, 7, 32)
    assert (painted[20, 7:13] == [[0, 0, 0]] * 3 + [list(YELLOW)] * 3).all()
    assert (painted[20, 13] != YELLOW).any()


def test_ignored_pixels_are_striped_and_have_no_outline():
    mask = np.zeros((32, 32), np.uint8)
    mask[8:24, 8:24] = 255
    picture = np.full((32, 32, 3), 60, np.uint8)
    painted = paint_mask(picture, mask, CLASSES, 1.0)
    assert (painted[mask == 0] == 60).all()
    grey, count = np.unique(painted[mask == 255][:, 0], return_counts=True)
    assert grey.tolist() == [64, 128]
    assert count[0] / count.sum() == pytest.approx(1 / 8)


def test_classes_of_one_colour_get_different_hatches():
    classes = ClassMap(tuple(f"class {i}" for i in range(30)))
    looks = {(colour, hatch) for colour, hatch in zip(classes.colours, class_hatches(classes), strict=True)}
    assert (
        len(looks) == 29
    )  # seven colours four times and the background; the last looks like the first again
    mask = np.ones((32, 32), np.uint8)
    plain, hatched = (paint_mask(np.zeros((32, 32, 3), np.uint8), mask * i, classes, 1.0) for i in (1, 8))
    assert (plain == plain[0, 0]).all()
    assert np.mean((hatched != plain).any(axis=-1)) == pytest.approx(1 / 8)


def test_paint_mask_does_not_change_its_arguments():
    picture, mask = np.full((16, 16, 3), 90, np.uint8), np.eye(16, dtype=np.uint8)
    before = picture.copy(), mask.copy()
    picture.flags.writeable = mask.flags.writeable = False
    paint_mask(picture, mask, CLASSES, 0.5)
    assert (picture == before[0]).all()
    assert (mask == before[1]).all()


def test_paint_mask_refuses_a_mask_of_another_size():
    with pytest.raises(ArgumentError, match=r"`mask`: has shape \(4, 5\), its image \(4, 4\)"):
        paint_mask(np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5), np.uint8), CLASSES, 0.5)


def test_resize_averages_images_and_picks_from_masks():
    image = np.tile(np.array([[0, 200], [100, 100]], np.uint16)[..., None], (4, 4, 1))
    assert resize_for_display(image, (4, 4)).tolist() == np.full((4, 4, 1), 100).tolist()
    mask = np.array([[0, 3], [2, 255]], np.uint8)
    assert resize_for_display(mask, (4, 4)).tolist() == np.kron(mask, np.ones((2, 2), int)).tolist()
    assert resize_for_display(np.zeros((10, 20, 3), np.float32), (5, 7)).shape == (7, 5, 3)


def test_resized_masks_are_aligned_with_their_images():
    mask = np.zeros((90, 90), np.uint8)
    mask[:, 45:] = 1
    # The pixel in the middle is at 45 exactly.
    assert resize_for_display(mask, (9, 9))[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1, 1]


def test_fit_size_keeps_at_least_a_pixel():
    assert fit_size((3, 30_000), 400, 400) == (400, 1)
    assert fit_size((10, 10), 400, 300) == (300, 300)


def test_stack_horizontally_and_vertically():
    black, grey = np.zeros((2, 1, 3), np.uint8), np.full((1, 2, 3), 9, np.uint8)
    assert stack_horizontally([black, grey], 1)[..., 0].tolist() == [[0, 255, 9, 9], [0, 255, 255, 255]]
    assert stack_vertically([black, grey], 0)[..., 0].tolist() == [[0, 255], [0, 255], [9, 9]]


def test_text_keeps_within_its_width():
    line = draw_text("ein sehr langer Name " * 20, 200, 16)
    assert line.shape == (24, 200, 3)
    assert line.min() == 0
    assert (draw_text("two\nlines", 200, 16) == draw_text("two lines", 200, 16)).all()
    assert (draw_text("", 50, 16) == 255).all()


def test_letters_beyond_ascii_have_glyphs():
    shapes = [draw_text(letter, 20, 16).tobytes() for letter in "éäß²µλЖ–"]
    assert len(set(shapes)) == len(shapes)


@pytest.mark.parametrize("width", [60, 400, 2000])
def test_legend_wraps_without_losing_anything(width):
    entries = [(draw_swatch(i, CLASSES, 14), CLASSES.names[i] * 2) for i in range(4)]
    picture = draw_legend(entries, width, 14)
    assert picture.shape[1] == width
    assert (picture[:, -1] == 255).all()
    # Swatches are complete.
    yellow = (picture == YELLOW).all(axis=-1)
    assert yellow.sum() == (entries[1][0] == YELLOW).all(axis=-1).sum()
    lines = picture.shape[0] // (14 * 7 // 4)
    assert lines == {60: 4, 400: 2, 2000: 1}[width]


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0, "0%"), (1e-9, "<0.01%"), (1e-4, "0.01%"), (0.00999, "1.00%"), (0.01, "1.0%"), (0.9899, "99.0%"),
     (0.99, "99.00%"), (0.9999, "99.99%"), (1 - 1e-9, ">99.99%"), (1.0, "100%")],
)  # fmt: skip
def test_format_percent(share, expected):
    assert format_percent(share) == expected


@pytest.mark.parametrize(
    ("first", "second"), [("a" * 60 + "1", "a" * 60 + "2"), ("1" + "a" * 60, "2" + "a" * 60)]
)
def test_long_names_that_differ_at_an_end_differ_when_shortened(first, second):
    shown = draw_text(first, 120, 13)
    assert shown.shape == (19, 120, 3)
    assert not np.array_equal(shown, draw_text(second, 120, 13))
    assert np.array_equal(draw_text(first, 120, 13), draw_text(first.replace("aa", "a" * 40), 120, 13))
