"""What changed in a cell is what was drawn into it, and nothing else."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from solarseg import measure_cell
from solarseg.comparison import CellImages, compare_cells, recognise_cells
from solarseg.comparison.ratio import divide_light
from solarseg.comparison.registration import register_cell
from solarseg.modules.cells import to_true_shape
from solarseg.modules.placement import ModulePlacement
from solarseg.modules.records import InspectedCell
from solarseg.synthesis import CELL_CLASSES, Module, generate_cell
from solarseg.synthesis.camera import Camera

SIZE = 256
BUSBAR, CRACK, INACTIVE = (CELL_CLASSES.names.index(name) for name in ("busbar", "crack", "inactive_area"))
LINE = ((60, 40), (100, 200))  # of a crack, x and y


def place(width=1, height=1):
    """One cell, ``width`` to ``height``."""
    homography = np.diag([SIZE * width, SIZE * height, 1.0])
    return ModulePlacement(1, 1, homography, 0.0, (SIZE * width, SIZE * height))


SQUARE = place()


def grain(seed=0):
    return np.random.default_rng(seed).normal(0, 2, (SIZE, SIZE))


def plain(shift=(0.0, 0.0), lines=(), areas=(), gain=1.0, seed=0):
    """A cell with two busbars, drawn at eight times the size, and its mask."""
    fine = 8
    image = np.full((SIZE * fine, SIZE * fine), 30, np.uint8)
    mask = np.zeros_like(image)

    def draw(corner, other, value, class_id):
        (left, top), (right, bottom) = (
            [round((c + s) * fine) for c, s in zip(p, shift, strict=True)] for p in (corner, other)
        )
        for array, level in ((image, value), (mask, class_id)):
            array[top:bottom, left:right] = level

    draw((8, 8), (248, 248), 200, 1)
    for x, y, width, height in areas:
        draw((x, y), (x + width, y + height), 60, INACTIVE)
    for start, end in lines:
        points = [tuple(round((c + s) * fine) for c, s in zip(p, shift, strict=True)) for p in (start, end)]
        for array, level in ((image, 90), (mask, CRACK)):
            cv2.line(array, *points, level, 3 * fine)
    for y in (80, 168):
        draw((8, y), (248, y + 6), 40, BUSBAR)
    small = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(float) * gain + grain(seed)
    ids = mask[fine // 2 :: fine, fine // 2 :: fine].copy()
    return np.clip(np.rint(small), 0, 255).astype(np.uint8), ids


def record(image, mask, light=1.0, finding=None, placement=SQUARE):
    true_image, true_mask = (to_true_shape(each, placement) for each in (image, mask))
    measured = measure_cell(true_mask, CELL_CLASSES, true_image)
    return InspectedCell(1, 1, ((0.0, 0.0),) * 4, light, finding, measured, 0.0, 1.0)


def compare(now, before, placement=SQUARE, **fields):
    """Compare one cell, given as image and mask."""
    (compared,) = compare_cells(
        CellImages(now[0][None], now[1][None]),
        CellImages(before[0][None], before[1][None]),
        [replace(record(*now, placement=placement), **fields)],
        [record(*before, placement=placement)],
        CELL_CLASSES,
        placement,
    )
    return compared


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.4, -0.25), (-1.2, 0.9)])
def test_a_known_shift_is_found_to_a_tenth_of_a_pixel(shift):
    now, before = plain(shift, seed=1)[0], plain(seed=2)[0]
    centre = np.array([SIZE / 2, SIZE / 2])
    there = register_cell(now, before).matrix @ [*centre, 1]
    assert there == pytest.approx(centre - shift, abs=0.1)


def test_a_shift_is_found_although_half_of_the_cell_is_dark():
    now, before = plain((1.5, -0.75), areas=[(8, 8, 120, 240)], seed=1), plain(seed=2)
    found = register_cell(now[0], before[0], now[1] != INACTIVE)
    assert found.matrix @ [188, 128, 1] == pytest.approx([186.5, 128.75], abs=0.1)


def test_cells_that_do_not_belong_together_are_not_registered():
    noise = np.random.default_rng(0).integers(0, 255, (SIZE, SIZE)).astype(np.uint8)
    assert register_cell(plain()[0], noise) is None
    assert register_cell(np.full((SIZE, SIZE), 9, np.uint8), plain()[0]) is None


def test_the_same_cell_has_not_changed():
    change = compare(plain((0.5, 0.3), lines=[LINE], seed=1), plain(lines=[LINE], seed=2)).change
    assert change.status == "same"
    assert change.regions == ()
    assert (change.inactive_share, change.crack_length) == (0, 0)
    assert (change.darkened_share, change.brightened_share) == (0, 0)


def test_a_line_that_was_drawn_is_a_new_crack_of_its_length():
    change = compare(plain((0.6, -0.4), lines=[LINE], seed=1), plain(seed=2)).change
    drawn = float(np.hypot(*np.subtract(*LINE)))
    assert change.status == "new"
    assert {(each.kind, each.class_name) for each in change.regions} == {("new", "crack")}
    # Two busbars of 6 pixels hide the line where it crosses them.
    assert change.length("crack", "new") == pytest.approx(drawn - 12, abs=6)
    assert change.crack_length == pytest.approx(change.length("crack", "new") / SIZE, rel=0.1)
    assert change.brightened_share == 0


def test_a_line_that_was_removed_is_gone():
    change = compare(plain(seed=1), plain(lines=[LINE], seed=2)).change
    assert change.status == "gone"
    assert {each.kind for each in change.regions} == {"gone"}
    assert change.crack_length < -0.4
    assert change.darkened_share == 0


def test_a_longer_line_has_grown_by_what_was_added():
    start, end = LINE
    half = ((start[0] + end[0]) // 2, (start[1] + end[1]) // 2)
    change = compare(plain(lines=[LINE], seed=1), plain(lines=[(start, half)], seed=2)).change
    assert change.status == "grown"
    added = float(np.hypot(end[0] - half[0], end[1] - half[1]))
    assert change.length("crack", "grown") == pytest.approx(added - 6, abs=8)


def test_a_crack_that_the_model_misses_once_is_neither_new_nor_gone():
    """The line is in both images, and in one of the masks only."""
    seen, missed = plain(lines=[LINE], seed=1), plain(lines=[LINE], seed=2)
    missed = (missed[0], np.where(missed[1] == CRACK, 1, missed[1]).astype(np.uint8))
    for now, before, kind in ((seen, missed, "only now"), (missed, seen, "only before")):
        change = compare(now, before).change
        assert (change.status, change.crack_length) == ("same", 0)
        assert {each.kind for each in change.regions} == {kind}


@pytest.mark.parametrize(
    ("now", "before", "status"),
    [
        ((0.5, "dim"), (0.1, "dark"), "brighter"),
        ((0.9, None), (0.1, "dark"), "gone"),
        ((0.1, "dark"), (0.5, "dim"), "grown"),
        ((0.5, "dim"), (0.9, None), "new"),
        ((0.5, "dim"), (0.52, "dim"), "same"),
    ],
)
def test_the_light_of_a_whole_cell_decides_too(now, before, status):
    (compared,) = compare_cells(
        CellImages(plain(seed=1)[0][None], plain()[1][None]),
        CellImages(plain(seed=2)[0][None], plain()[1][None]),
        [record(*plain(seed=1), light=now[0], finding=now[1])],
        [record(*plain(seed=2), light=before[0], finding=before[1])],
        CELL_CLASSES,
        SQUARE,
    )
    assert compared.change.status == status


def test_a_new_inactive_area_has_its_share():
    area = (20, 90, 70, 60)
    now = plain((0.3, 0.3), areas=[area], seed=1)
    change = compare(now, plain(seed=2)).change
    assert change.status == "new"
    assert change.inactive_share == pytest.approx(70 * 60 / record(*now).measurement.cell_area, rel=0.06)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (1, 2)])
def test_changes_are_those_of_the_true_shape(width, height):
    """The cell has 240 x 240 pixels as a square, so that half-cut cells have 480 x 240."""
    shape, side = place(width, height), 240 * max(width, height)
    area = (20, 100, 70, 60)
    change = compare(plain(areas=[area], seed=1), plain(seed=2), shape).change
    (region,) = change.regions
    assert change.inactive_share == pytest.approx(70 * 60 / 240**2, rel=0.03)
    assert change.darkened_share == pytest.approx(70 * 60 / 240**2, rel=0.1)
    assert change.area("inactive_area", "new") == pytest.approx(70 * 60 * width * height, rel=0.03)
    box = (region.left, region.top, region.width, region.height)
    assert box == pytest.approx((20 * width, 100 * height, 70 * width, 60 * height), abs=2)

    for line, drawn in ((((40, 130), (200, 130)), 160 * width), (((130, 100), (130, 160)), 60 * height)):
        change = compare(plain(lines=[line], seed=1), plain(seed=2), shape).change
        assert {(each.kind, each.class_name) for each in change.regions} == {("new", "crack")}
        assert change.length("crack", "new") == pytest.approx(drawn, abs=6)  # the line has round ends
        assert change.crack_length == pytest.approx(drawn / side, abs=6 / side)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("line", [((130, 100), (130, 160)), ((40, 130), (200, 130))])
@pytest.mark.parametrize(("distance", "changed"), [(4, False), (8, True)])
def test_the_tolerance_is_that_of_the_square(width, height, line, distance, changed):
    """The earlier mask has the line 4 or 8 pixels away across it; the tolerance is 4, and the line is 3 wide."""
    image, mask = plain(lines=[line], seed=1)
    across = (0, distance) if line[0][0] == line[1][0] else (distance, 0)
    moved = np.where(np.roll(mask == CRACK, across, (0, 1)), np.uint8(CRACK), plain()[1])
    change = compare((image, mask), (plain(seed=2)[0], moved), place(width, height)).change
    assert any(each.class_name == "crack" and each.sign == 1 for each in change.regions) == changed


def test_most_of_a_cell_may_become_inactive():
    """The light is normalised to what did not change, not to the median."""
    now = plain(areas=[(8, 8, 170, 240)], seed=1)
    change = compare(now, plain(seed=2)).change
    assert change.darkened_share > 0.55
    assert change.brightened_share == 0


def test_a_dark_spot_that_the_model_does_not_find_is_reported():
    now = plain(seed=1)
    cv2.circle(now[0], (130, 120), 6, 80, -1)
    change = compare(now, plain(seed=2)).change
    (region,) = change.regions
    assert (change.status, region.kind, region.class_name) == ("darker", "darker", "")
    assert region.area == pytest.approx(np.pi * 36, rel=0.35)
    assert abs(region.left + region.width / 2 - 130) < 2


@pytest.mark.parametrize("gain", [0.6, 1.2])
def test_the_exposure_does_not_count(gain):
    change = compare(plain(gain=gain, seed=1), plain(seed=2)).change
    assert (change.status, change.darkened_share, change.brightened_share) == ("same", 0, 0)


def test_vignetting_does_not_count():
    image, mask = plain(seed=1)
    slope = np.linspace(0.8, 1.1, SIZE)
    shaded = np.clip(image * slope[None], 0, 255).astype(np.uint8)
    assert compare((shaded, mask), plain(seed=2)).change.status == "same"


def test_a_cell_without_light_that_had_light_is_new():
    change = compare(plain(seed=1), plain(seed=2), light=0.2, finding="dark").change
    assert change.status == "new"
    assert change.light == pytest.approx(-0.8)


def test_the_ratio_is_that_of_the_light():
    before = np.full((64, 64), 200, np.uint8)
    now = before.copy()
    now[20:30, 20:30] = 100
    ratio = divide_light(now, before, np.ones((64, 64), bool))
    assert ratio.logarithm[25, 25] == pytest.approx(np.log(108 / 208), abs=0.01)
    assert ratio.logarithm[5, 5] == pytest.approx(0, abs=0.01)
    assert ratio.picture()[5, 5] == 128
    assert ratio.darker[22:28, 22:28].all()
    assert not ratio.brighter.any()


def test_generated_cells_differ_by_the_crack_that_was_added():
    """One layout, photographed twice; the second time with a crack."""
    rng = np.random.default_rng(5)
    module, camera = Module.draw(rng), replace(Camera.draw(rng), jpeg_quality=None)
    found = 0
    for seed in range(6):
        image, mask = generate_cell(np.random.default_rng(seed), SIZE, module, camera)
        inside = cv2.erode(np.uint8(mask == 1), np.ones((9, 9), np.uint8))
        line = np.zeros((SIZE, SIZE), np.uint8)
        cv2.line(line, (70, 60), (190, 180), 1, 2)
        line &= inside
        darker = 1 - 0.5 * cv2.GaussianBlur(line.astype(np.float32), (0, 0), 0.8)
        cracked = np.rint(image[..., 0] * darker).astype(np.uint8)
        now = (cracked, np.where(line > 0, CRACK, mask).astype(np.uint8))
        assert compare((image[..., 0], mask), (image[..., 0], mask)).change.status == "same"
        change = compare(now, (image[..., 0], mask)).change
        expected = (
            record(*now).measurement.crack_length - record(image[..., 0], mask).measurement.crack_length
        )
        if expected > 20 and change.length("crack", "new", "grown") > 0.6 * expected:
            found += 1
    assert found >= 4


def cells_of_a_module(seed, count=12):
    """Cells that differ in the grains of their silicon."""
    rng = np.random.default_rng(seed)
    grains = [cv2.GaussianBlur(rng.normal(0, 1, (SIZE, SIZE)), (0, 0), 3) for _ in range(count)]
    return [40 * each for each in grains]


def photograph_cells(grains, seed, shifts=(0.0,) * 12):
    made = [plain((shift, shift), seed=seed + number) for number, shift in enumerate(shifts)]
    images = [
        np.clip(image + added, 0, 255).astype(np.uint8)
        for (image, _), added in zip(made, grains, strict=True)
    ]
    return CellImages(np.stack(images), np.stack([mask for _, mask in made]))


def test_cells_are_recognised_and_turned_or_other_modules_are_not():
    grains, shape = cells_of_a_module(1), (3, 4)
    now, again = photograph_cells(grains, 100), photograph_cells(grains, 200)
    assert recognise_cells(now, again, shape, CELL_CLASSES) == "same"
    turned = CellImages(again.images[::-1, ::-1, ::-1], again.masks[::-1, ::-1, ::-1])
    assert recognise_cells(now, turned, shape, CELL_CLASSES) == "turned"
    other = photograph_cells(cells_of_a_module(2), 300)
    assert recognise_cells(now, other, shape, CELL_CLASSES) == "unknown"


def test_cells_that_lie_alike_in_two_modules_do_not_make_them_the_same():
    """The lens of a camera moves cells a little, by the same at the same place of every module."""
    shifts, shape = np.random.default_rng(0).uniform(-1, 1, 12), (3, 4)
    grains = cells_of_a_module(1)
    now, again = (photograph_cells(grains, seed, shifts) for seed in (100, 200))
    other = photograph_cells(cells_of_a_module(2), 300, shifts)
    assert recognise_cells(now, again, shape, CELL_CLASSES) == "same"
    assert recognise_cells(now, other, shape, CELL_CLASSES) == "unknown"
