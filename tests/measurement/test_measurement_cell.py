import cv2
import numpy as np
import pytest

from solarseg.classes import ClassMap
from solarseg.errors import ArgumentError
from solarseg.measurement import is_measurable, measure_cell, severity
from solarseg.measurement.cracks import MIN_RATIO_A, MIN_RATIO_B, crack_mode
from solarseg.synthesis import CELL_CLASSES

BACKGROUND, CELL, BUSBAR, CRACK, INACTIVE, INTERRUPTION = range(6)


def sound(size=200, margin=10):
    """Return the mask of a square cell with two busbars."""
    mask = np.zeros((size, size), np.uint8)
    mask[margin:-margin, margin:-margin] = CELL
    for row in (60, 140):
        mask[row : row + 4, margin:-margin] = BUSBAR
    return mask


def lit(mask, behind=1.0):
    """Return an image in which inactive areas have a given brightness."""
    light = np.array([0.1, 1, 0.3, 0.2, behind, 0.7])
    return np.rint(200 * light[mask]).astype(np.uint8)[..., None]


def test_a_sound_cell_has_no_defects():
    measured = measure_cell(sound(), CELL_CLASSES, lit(sound()))
    assert measured.severity == 0
    assert measured.cell_area == 180 * 180
    assert (measured.cracks, measured.finger_interruptions, measured.regions) == (0, 0, ())
    assert measured.worst_crack_mode is None


def test_shares_lengths_and_severity_are_those_drawn():
    mask = sound()
    mask[10:55, 10:100] = INACTIVE
    mask[80:84, 20:120] = CRACK
    mask[100:130, 150:152] = INTERRUPTION
    mask[100:120, 170:172] = INTERRUPTION
    measured = measure_cell(mask, CELL_CLASSES, cell_mm=156)
    assert measured.inactive_share == pytest.approx(45 * 90 / 180**2)
    assert measured.crack_length == pytest.approx(100, rel=0.03)
    assert measured.crack_length_mm == pytest.approx(100 * 156 / 180, rel=0.03)
    assert measured.finger_interruptions == 2
    assert measured.interruption_length == pytest.approx(50, rel=0.03)
    assert measured.severity == pytest.approx(severity(0.125, 100 / 180, 50 / 180), rel=0.02)
    (area,) = [one for one in measured.regions if one.class_name == "inactive_area"]
    assert (area.left, area.top, area.width, area.height, area.area) == (10, 10, 90, 45, 4050)
    (crack,) = [one for one in measured.regions if one.class_name == "crack"]
    assert crack.mean_width == pytest.approx(4, rel=0.04)
    assert crack.orientation == pytest.approx(0, abs=1)


@pytest.mark.parametrize(("behind", "mode"), [(0.95, "A"), (0.6, "B"), (0.1, "C")])
def test_crack_mode_follows_from_the_brightness_behind(behind, mode):
    mask = sound()
    mask[70:120, 100:190] = INACTIVE
    mask[70:120, 97:100] = CRACK
    measured = measure_cell(mask, CELL_CLASSES, lit(mask, behind))
    (crack,) = [one for one in measured.regions if one.class_name == "crack"]
    assert crack.brightness_ratio == pytest.approx(behind, abs=0.01)
    assert crack.crack_mode == measured.worst_crack_mode == mode


@pytest.mark.parametrize("behind", [1.0, 0.95, 0.6, 0.1])
@pytest.mark.parametrize("ends", [((100, 70), (100, 130)), ((60, 75), (160, 125)), ((150, 75), (70, 130))])
def test_crack_mode_follows_from_both_sides_if_no_area_was_found(behind, ends):
    mask = sound()
    dark = mask.copy()
    (x0, y0), (x1, y1) = ends
    y, x = np.indices(mask.shape)
    dark[((x - x0) * (y1 - y0) - (y - y0) * (x1 - x0) > 0) & (mask == CELL)] = INACTIVE
    image = lit(dark, behind)
    cv2.line(mask, *ends, CRACK, 3)
    (crack,) = measure_cell(mask, CELL_CLASSES, image).regions
    assert crack.brightness_ratio == pytest.approx(behind, abs=0.01)
    assert crack.crack_mode == crack_mode(behind)


def test_noise_and_a_gradient_are_no_loss_behind_a_crack():
    rng = np.random.default_rng(0)
    mask = sound()
    cv2.line(mask, (40, 70), (150, 130), CRACK, 2)
    image = np.linspace(140, 200, 200)[None] + rng.normal(0, 8, (200, 200))
    (crack,) = measure_cell(mask, CELL_CLASSES, image.astype(np.float32)).regions
    assert crack.brightness_ratio > 0.95


@pytest.mark.parametrize(("size", "metal"), [(128, 2), (256, 5), (300, 5), (512, 10), (1000, 16)])
@pytest.mark.parametrize("width", [1, 2, 3, 5])
@pytest.mark.parametrize("slope", [0, 0.4, 1.0])
def test_a_crack_under_a_busbar_is_one_crack_of_the_same_length(size, metal, width, slope):
    mask, middle = np.ones((size, size), np.uint8), size // 2
    shift = round(slope * size * 0.3)
    start, end = (middle - shift, middle - round(size * 0.3)), (middle + shift, middle + round(size * 0.3))
    cv2.line(mask, start, end, CRACK, width)
    plain = measure_cell(mask, CELL_CLASSES)
    mask[middle - metal // 2 : middle - metal // 2 + metal] = BUSBAR
    hidden = measure_cell(mask, CELL_CLASSES)
    assert (plain.cracks, hidden.cracks) == (1, 1)
    oblique_ends = 1.2 * width  # an end at a slant is measured to its tip
    assert hidden.crack_length == pytest.approx(plain.crack_length, rel=0.04, abs=oblique_ends)


@pytest.mark.parametrize(("side", "gap"), [(128, 3), (256, 3), (512, 6)])
def test_the_gap_up_to_which_ends_are_joined_grows_with_the_cell(side, gap):
    middle = side // 2

    def cracks(distance):  # of both ends from the busbar; 1 is next to it
        mask = np.ones((side, side), np.uint8)
        mask[middle : middle + 6] = BUSBAR
        mask[middle - 40 : middle - distance + 1, middle : middle + 3] = CRACK
        mask[middle + 5 + distance : middle + 45, middle : middle + 3] = CRACK
        return measure_cell(mask, CELL_CLASSES).cracks

    assert (cracks(gap), cracks(gap + 1)) == (1, 2)


def test_ends_that_do_not_face_each_other_are_not_joined():
    mask = sound()
    mask[20:60, 60:62] = CRACK  # above the busbar, far along from the other, below it
    mask[64:100, 120:122] = CRACK
    mask[136:140, 40:42] = CRACK  # two on the same side
    mask[120:140, 45:47] = CRACK
    measured = measure_cell(mask, CELL_CLASSES)
    assert measured.cracks == 4
    assert measured.crack_length == pytest.approx(40 + 36 + 4 + 20, rel=0.06)


def test_a_crack_under_busbars_is_joined_and_other_cracks_at_the_same_busbar_are_not():
    mask = sound()
    cv2.line(mask, (30, 20), (160, 180), CRACK, 3)
    cv2.line(mask, (120, 30), (120, 57), CRACK, 3)
    cv2.line(mask, (180, 66), (150, 100), CRACK, 3)
    mask[sound() == BUSBAR] = BUSBAR
    measured = measure_cell(mask, CELL_CLASSES)
    assert measured.cracks == 3
    assert sum(one.class_name == "crack" for one in measured.regions) == 5


def test_cell_mm_is_the_longer_side_of_a_half_cell():
    mask = np.zeros((120, 220), np.uint8)
    mask[10:110, 10:210] = CELL
    mask[50:53, 60:160] = CRACK
    assert measure_cell(mask, CELL_CLASSES, cell_mm=182).crack_length_mm == pytest.approx(91, rel=0.03)


def test_small_parts_next_to_the_cell_are_left_out():
    mask = np.zeros((300, 300), np.uint8)
    mask[40:260, 40:260] = CELL
    plain = measure_cell(mask, CELL_CLASSES)
    mask[2, 2] = mask[290:295, 290:295] = CELL
    mask[5:200, 290] = INACTIVE
    mask[5:200, 2:4] = CRACK
    strayed = measure_cell(mask, CELL_CLASSES, lit(mask))
    assert (strayed.severity, strayed.cracks, strayed.regions) == (0, 0, ())
    assert strayed.cell_side == plain.cell_side == pytest.approx(220)
    assert strayed.cell_area == plain.cell_area == 220**2


@pytest.mark.parametrize(("rows", "area"), [(10, 11_000), (9, 10_000)])
def test_a_tenth_of_the_cell_is_part_of_it_and_less_is_not(rows, area):
    mask = np.zeros((200, 120), np.uint8)
    mask[10:110, 10:110] = CELL
    mask[150 : 150 + rows, 10:110] = CELL
    assert measure_cell(mask, CELL_CLASSES).cell_area == area


def test_the_halves_of_a_cell_that_a_crack_of_background_divides_are_one_cell():
    mask = np.ones((100, 200), np.uint8)
    mask[:, 60:63] = 0
    measured = measure_cell(mask, CELL_CLASSES)
    assert (measured.cell_side, measured.cell_area) == (200, 100 * 197)


def test_branches_and_width_of_all_cracks():
    mask = sound()
    mask[80:84, 20:120] = CRACK
    mask[84:120, 60:64] = CRACK
    mask[160:162, 20:60] = CRACK
    measured = measure_cell(mask, CELL_CLASSES)
    assert measured.crack_branches == 1
    assert measured.crack_width == pytest.approx((400 + 144 + 80) / (100 + 38 + 40), rel=0.04)
    assert measure_cell(sound(), CELL_CLASSES).crack_width == 0


def test_the_length_of_an_interruption_is_along_the_fingers():
    mask = sound()
    mask[100:103, 150:159] = INTERRUPTION  # two fingers of a cell of sixty, over less than their distance
    (upright,) = measure_cell(mask, CELL_CLASSES).regions
    assert (upright.length, upright.mean_width) == (pytest.approx(3), pytest.approx(9))
    (turned,) = measure_cell(np.ascontiguousarray(np.rot90(mask)), CELL_CLASSES).regions
    assert turned.length == pytest.approx(3)
    mask[80:140, 30:34] = BUSBAR  # a ribbon across
    (joined,) = measure_cell(mask, CELL_CLASSES).regions
    assert joined.length == pytest.approx(3)
    mask[mask == BUSBAR] = CELL
    mask[20, 50:53] = BUSBAR  # too small to give a direction
    (unknown,) = measure_cell(mask, CELL_CLASSES).regions
    assert unknown.length == pytest.approx(9)


@pytest.mark.parametrize("degrees", [-12, 5, 12])
def test_interruptions_of_a_rotated_cell_have_the_same_length(degrees):
    mask = sound()
    mask[100:130, 150:153] = INTERRUPTION
    turn = cv2.getRotationMatrix2D((99.5, 99.5), degrees, 1)
    turned = cv2.warpAffine(mask, turn, (200, 200), flags=cv2.INTER_NEAREST)
    (bar,) = measure_cell(turned, CELL_CLASSES).regions
    assert bar.length == pytest.approx(30, abs=1.5)


def test_a_first_class_called_cell_is_not_background():
    mask = np.zeros((100, 100), np.uint8)
    mask[:, :10] = 2
    measured = measure_cell(
        mask, ClassMap(("cell", "crack", "inactive_area")), np.full((100, 100), 9, np.uint8)
    )
    assert (measured.cell_area, measured.inactive_share) == (10_000, 0.1)


def test_an_image_of_another_size_is_refused():
    mask = sound()
    mask[20:50, 30:33] = CRACK
    with pytest.raises(ArgumentError, match="100 x 50 pixels, its mask 200 x 200"):
        measure_cell(mask, CELL_CLASSES, np.zeros((50, 100), np.uint8))


def test_a_crack_far_from_any_inactive_area_is_mode_a():
    mask = sound()
    mask[150:190, 100:190] = INACTIVE
    mask[20:50, 30:33] = CRACK
    measured = measure_cell(mask, CELL_CLASSES, lit(mask, 0.1))
    assert measured.worst_crack_mode == "A"


def test_a_crack_with_silicon_on_one_side_only_has_no_mode():
    mask = sound()
    mask[20:50, 10:12] = CRACK
    (crack,) = measure_cell(mask, CELL_CLASSES, lit(mask)).regions
    assert (crack.brightness_ratio, crack.crack_mode) == (None, None)


@pytest.mark.parametrize("length", [60, 80, 100])
@pytest.mark.parametrize(
    ("area", "mode"),
    [
        ((83, 84, 2, 3), "A"),  # a stray pixel
        ((70, 94, 0, 24), "A"),  # a stain that the crack runs into
        ((85, 110, -45, -20), "C"),  # areas next to it, from the first and from the third pixel
        ((86, 110, -45, -20), "C"),
        ((88, 110, -45, -20), "A"),
    ],
)
def test_an_area_is_bounded_by_a_crack_that_runs_along_it_and_not_by_one_that_touches_it(length, area, mode):
    mask = sound()
    top, bottom, left, right = area
    mask[82:84, 20 : 20 + length] = CRACK
    mask[top:bottom, 20 + length + left : 20 + length + right] = INACTIVE
    (crack,) = [one for one in measure_cell(mask, CELL_CLASSES, lit(mask, 0.1)).regions if one.branches == 0]
    assert crack.crack_mode == mode


@pytest.mark.parametrize("times", [2, 3, 4])
def test_modes_and_joined_cracks_do_not_depend_on_the_size_of_the_image(times):
    mask = np.ones((256, 256), np.uint8)
    mask[80:86] = BUSBAR
    mask[10:78, 120:122] = CRACK  # ends two pixels before the metal, and continues under it
    mask[88:160, 120:122] = CRACK
    mask[88:160, 124:200] = INACTIVE  # two sound pixels between crack and area
    large = np.kron(mask, np.ones((times, times), np.uint8))
    first, second = (measure_cell(one, CELL_CLASSES, lit(one, 0.1)) for one in (mask, large))
    assert (first.cracks, first.worst_crack_mode) == (second.cracks, second.worst_crack_mode) == (1, "C")
    assert second.severity == pytest.approx(first.severity, rel=0.03)


def test_without_an_image_there_is_no_mode():
    mask = sound()
    mask[20:50, 30:33] = CRACK
    measured = measure_cell(mask, CELL_CLASSES)
    assert measured.worst_crack_mode is None
    assert measured.regions[0].brightness_ratio is None


def test_bounds_of_modes():
    assert [
        crack_mode(ratio) for ratio in (MIN_RATIO_A, MIN_RATIO_A - 1e-6, MIN_RATIO_B, MIN_RATIO_B - 1e-6)
    ] == list("ABBC")


def test_black_cells_have_no_ratio():
    mask = sound()
    mask[20:50, 30:33] = CRACK
    assert measure_cell(mask, CELL_CLASSES, np.zeros((200, 200), np.uint8)).worst_crack_mode is None


def test_rotating_a_mask_changes_only_orientations():
    mask = sound()
    cv2.line(mask, (20, 20), (150, 110), CRACK, 3)
    mask[150:180, 40:100] = INACTIVE
    first, turned = (measure_cell(one, CELL_CLASSES) for one in (mask, np.ascontiguousarray(np.rot90(mask))))
    assert turned.severity == pytest.approx(first.severity, rel=0.02)
    assert turned.inactive_share == first.inactive_share
    old, new = (
        next(r for r in one.regions if r.class_name == "crack").orientation for one in (first, turned)
    )
    assert (new - old) % 180 == pytest.approx(90, abs=1)


def test_lengths_scale_with_the_image():
    small, large = (np.kron(sound(), np.ones((k, k), np.uint8)) for k in (1, 3))
    for mask, k in ((small, 1), (large, 3)):
        mask[100 * k : 102 * k, 20 * k : 150 * k] = CRACK
    assert measure_cell(large, CELL_CLASSES).severity == pytest.approx(
        measure_cell(small, CELL_CLASSES).severity, rel=0.05
    )


@pytest.mark.parametrize("names", [("background", "crack"), ("sound", "inactive_area", "crack")])
def test_masks_need_no_class_cell(names):
    classes = ClassMap(names)
    mask = np.zeros((50, 80), np.uint8)
    mask[20:22, 10:60] = classes.names.index("crack")
    measured = measure_cell(mask, classes)
    assert measured.cell_area == 50 * 80
    assert measured.crack_length == pytest.approx(50, rel=0.05)


@pytest.mark.parametrize("names", [CELL_CLASSES.names, ("background", "crack")])
def test_ignored_pixels_are_not_part_of_the_cell(names):
    mask = np.ones((40, 50), np.uint8) if "cell" in names else np.zeros((40, 50), np.uint8)
    mask[:, 30:] = 255
    assert measure_cell(mask, ClassMap(names)).cell_area == 40 * 30


def test_masks_with_a_defect_class_are_measurable():
    assert is_measurable(CELL_CLASSES)
    assert not is_measurable(ClassMap(("background", "solar_panel")))


@pytest.mark.parametrize(
    "mask", [np.zeros((5, 7), np.uint8), np.full((5, 7), INACTIVE, np.uint8), np.ones((1, 1), np.uint8)]
)
def test_odd_masks_are_measured(mask):
    measured = measure_cell(mask, CELL_CLASSES, mask)
    assert measured.inactive_share == pytest.approx(float((mask == INACTIVE).any()))


def test_a_mask_without_a_pixel_is_refused():
    with pytest.raises(ArgumentError, match="at least one pixel"):
        measure_cell(np.zeros((0, 0), np.uint8), CELL_CLASSES)


@pytest.mark.parametrize("size", [0, -3, float("nan"), float("inf")])
def test_cell_sizes_that_are_not_positive_and_finite_are_refused(size):
    with pytest.raises(ArgumentError, match="cell_mm"):
        measure_cell(sound(), CELL_CLASSES, cell_mm=size)
