"""Properties of measurements of any cell: shifted, flipped, rotated, enlarged, renumbered, or combined."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solarseg.classes import ClassMap
from solarseg.measurement import measure_cell
from solarseg.measurement.skeleton import Skeleton
from solarseg.synthesis import CELL_CLASSES

SIDE, QUARTER = 96, 48
BACKGROUND, CELL, BUSBAR, CRACK, INACTIVE, INTERRUPTION = range(6)
LIGHT = np.array([10, 200, 60, 40, 90, 150], np.uint8)  # of each class


@st.composite
def defects(draw):
    """Some defects, each in a quarter of a cell, with four pixels to the quarter's edge: none touches another."""
    drawn = []
    for quarter in draw(st.sets(st.integers(0, 3), max_size=4)):
        kind = draw(st.sampled_from([CRACK, INACTIVE, INTERRUPTION]))
        ends = draw(st.tuples(*[st.integers(4, QUARTER - 5)] * 4))
        drawn.append((quarter, kind, ends, draw(st.integers(1, 3))))
    return drawn


def draw_mask(drawn):
    """A cell that fills its image."""
    mask = np.full((SIDE, SIDE), CELL, np.uint8)
    for quarter, kind, (x0, y0, x1, y1), width in drawn:
        part = np.zeros((QUARTER, QUARTER), np.uint8)
        if kind == CRACK:
            cv2.line(part, (x0, y0), (x1, y1), 1, width)
        elif kind == INACTIVE:
            cv2.rectangle(part, (x0, y0), (x1, y1), 1, -1)
        else:
            cv2.line(part, (x0, y0), (x0, y1), 1, width)
        row, column = QUARTER * (quarter // 2), QUARTER * (quarter % 2)
        mask[row : row + QUARTER, column : column + QUARTER][part > 0] = kind
    return mask


def measure(mask, **options):
    return measure_cell(np.ascontiguousarray(mask), CELL_CLASSES, **options)


def totals(measured):
    """What does not depend on how a cell lies, and what thinning measures nearly the same."""
    exact = (
        measured.cell_area,
        measured.inactive_area,
        measured.inactive_share,
        measured.cracks,
        measured.finger_interruptions,
        sorted((one.class_name, one.area) for one in measured.regions),
    )
    return exact, measured.crack_length, measured.interruption_length


@settings(max_examples=40)
@given(defects(), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_a_cell_may_lie_anywhere_in_its_image(drawn, above, left, below):
    mask = draw_mask(drawn)
    first = measure(mask, image=LIGHT[mask])
    moved = np.pad(mask, ((above, below), (left, 7)), constant_values=BACKGROUND)
    second = measure(moved, image=LIGHT[moved])
    shifted = tuple(
        replace(
            one,
            left=one.left + left,
            top=one.top + above,
            centre_x=pytest.approx(one.centre_x + left),
            centre_y=pytest.approx(one.centre_y + above),
        )
        for one in first.regions
    )
    assert second == replace(first, regions=shifted)


@settings(max_examples=60)
@given(
    defects(), st.sampled_from(["left to right", "top to bottom", "quarter turn", "half turn", "transposed"])
)
def test_mirrored_and_turned_cells_are_as_bad(drawn, how):
    turns = {
        "left to right": (np.fliplr, lambda degrees: -degrees),
        "top to bottom": (np.flipud, lambda degrees: -degrees),
        "quarter turn": (np.rot90, lambda degrees: degrees + 90),
        "half turn": (lambda mask: np.rot90(mask, 2), lambda degrees: degrees),
        "transposed": (np.transpose, lambda degrees: -degrees - 90),
    }
    turn, turned_axis = turns[how]
    mask = draw_mask(drawn)
    first, second = measure(mask), measure(turn(mask))
    exact, cracks, interruptions = totals(first)
    turned_exact, turned_cracks, turned_interruptions = totals(second)
    assert turned_exact == exact
    # Thinning is not symmetric: it makes one pixel of a short crack, or two.
    assert turned_cracks == pytest.approx(cracks, rel=0.03, abs=2 * first.cracks)
    assert turned_interruptions == pytest.approx(interruptions, rel=1e-5)
    # Regions of the same class and area differ only in position: compare those that are unique.
    axes = {(one.class_name, one.area): one.orientation for one in first.regions}
    for one in second.regions:
        alone = (
            sum((one.class_name, one.area) == (each.class_name, each.area) for each in second.regions) == 1
        )
        if alone and max(one.width, one.height) > min(one.width, one.height):
            off = (one.orientation - turned_axis(axes[one.class_name, one.area])) % 180
            assert min(off, 180 - off) < 1e-3


@settings(max_examples=40)
@given(defects())
def test_a_cell_is_the_sum_of_its_defects(drawn):
    whole = measure(draw_mask(drawn))
    parts = [measure(draw_mask([one])) for one in drawn]
    for name in (
        "severity",
        "inactive_area",
        "inactive_share",
        "crack_length",
        "cracks",
        "crack_branches",
        "finger_interruptions",
        "interruption_length",
    ):
        assert getattr(whole, name) == pytest.approx(sum(getattr(one, name) for one in parts)), name
    assert set(whole.regions) == {region for one in parts for region in one.regions}
    for name, class_id in (
        ("crack", CRACK),
        ("inactive_area", INACTIVE),
        ("finger_interruption", INTERRUPTION),
    ):
        regions = [one for one in whole.regions if one.class_name == name]
        assert sum(one.area for one in regions) == (draw_mask(drawn) == class_id).sum()
        assert all(
            one.share == one.area / SIDE**2 and one.mean_width == one.area / one.length for one in regions
        )


@settings(max_examples=30)
@given(defects(), st.integers(2, 4))
def test_an_enlarged_image_shows_the_same_cell(drawn, times):
    mask = draw_mask(drawn)
    large = np.kron(mask, np.ones((times, times), np.uint8))
    first, second = measure(mask, cell_mm=156), measure(large, cell_mm=156)
    assert second.cell_side == pytest.approx(times * first.cell_side)
    assert second.inactive_area == times**2 * first.inactive_area
    assert second.inactive_share == pytest.approx(first.inactive_share)
    assert (second.cracks, second.finger_interruptions) == (first.cracks, first.finger_interruptions)
    # Corners of enlarged pixels are longer ways; a dot has no direction.
    assert second.crack_length_mm == pytest.approx(first.crack_length_mm, rel=0.12, abs=3 * 156 / SIDE)
    assert second.interruption_length_mm == pytest.approx(first.interruption_length_mm)


@settings(max_examples=40)
@given(defects(), st.floats(1, 300))
def test_lengths_in_mm_are_those_in_pixels_by_the_side_of_the_cell(drawn, side):
    measured = measure(draw_mask(drawn), cell_mm=side)
    assert measured.cell_side == SIDE
    assert measured.crack_length_mm == pytest.approx(measured.crack_length * side / SIDE)
    assert measured.interruption_length_mm == pytest.approx(measured.interruption_length * side / SIDE)
    assert all(one.length_mm == pytest.approx(one.length * side / SIDE) for one in measured.regions)
    without = measure(draw_mask(drawn))
    assert (without.crack_length_mm, without.interruption_length_mm) == (None, None)
    assert replace(measured, crack_length_mm=None, interruption_length_mm=None, regions=()) == replace(
        without, regions=()
    )


@settings(max_examples=40)
@given(defects(), st.permutations(range(1, 6)))
def test_classes_are_known_by_their_names(drawn, numbers):
    mask = draw_mask(drawn)
    names = ["background", *[""] * 5]
    renumbered = np.zeros_like(mask)
    for old, new in enumerate(numbers, start=1):
        names[new] = CELL_CLASSES.names[old]
        renumbered[mask == old] = new
    assert measure_cell(renumbered, ClassMap(tuple(names)), LIGHT[mask]) == measure(mask, image=LIGHT[mask])


@settings(max_examples=100)
@given(st.floats(0, 180), st.floats(30, 120), st.integers(1, 4), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_a_drawn_line_is_as_long_as_it_was_drawn(degrees, length, width, right, down):
    """Lines with round ends, at eighths of pixels: of an end more or less than half a pixel may be covered."""
    along = length / 2 * np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    middle = np.array([80 + right, 80 + down])
    fine = np.zeros((160 * 8, 160 * 8), np.uint8)
    start, end = ((8 * (middle + way * along)).round().astype(int).tolist() for way in (-1, 1))
    cv2.line(fine, start, end, 255, 8 * width)
    region = cv2.resize(fine, (160, 160), interpolation=cv2.INTER_AREA) >= 128
    skeleton = Skeleton.from_region(region)
    assert skeleton.length == pytest.approx(length + width / 2, abs=0.03 * length + 1 + width / 2)
    assert skeleton.branches == 0


@settings(max_examples=40)
@given(
    st.floats(0.05, 1),
    st.floats(0.2, 3),
    st.sampled_from([(30, 20, 80, 70), (20, 50, 80, 52), (50, 15, 48, 85)]),
)
def test_brightness_ratios_do_not_depend_on_exposure_or_on_which_side_is_dark(behind, exposure, ends):
    x0, y0, x1, y1 = ends
    mask = np.full((SIDE, SIDE), CELL, np.uint8)
    cv2.line(mask, (x0, y0), (x1, y1), CRACK, 3)
    y, x = np.indices(mask.shape)
    side = (x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)
    for dark in (side > 0, side < 0):
        image = np.where(dark, behind, 1).astype(np.float32) * np.float32(exposure)
        (crack,) = measure(mask, image=image).regions
        assert crack.brightness_ratio == pytest.approx(behind, rel=1e-5)
        (with_channels,) = measure(mask, image=np.stack([image, image], axis=-1)).regions
        assert with_channels.brightness_ratio == pytest.approx(behind, rel=1e-5)
