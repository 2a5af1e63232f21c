from copy import deepcopy
from dataclasses import replace
from zlib import crc32

import cv2
import numpy as np
import pytest

from solarseg.errors import ArgumentError
from solarseg.synthesis import CELL_CLASSES, Module, cracks, generate_cell
from solarseg.synthesis.areas import draw_inactive_area, draw_isolated_piece
from solarseg.synthesis.camera import Camera, render_image
from solarseg.synthesis.canvas import Patch
from solarseg.synthesis.cells import draw_defects
from solarseg.synthesis.cracks import draw_crack
from solarseg.synthesis.defects import Defect, draw_mask
from solarseg.synthesis.interruptions import draw_interruptions
from solarseg.synthesis.layout import Layout
from solarseg.synthesis.parameters import Chance, Choice
from solarseg.synthesis.silicon import MAX_SPECK_LOSS, draw_silicon, draw_specks

BACKGROUND, CELL, BUSBAR, CRACK, INACTIVE_AREA, FINGER_INTERRUPTION = range(6)
# CRC-32 of the masks of seeds 0 to 11 at 64 pixels.
MASKS = [
    1610073405,
    2809044355,
    495679561,
    454349949,
    2457951495,
    3988400648,
    2031992955,
    1536884710,
    3370004808,
    1485350811,
    2833080022,
    3102843406,
]


@pytest.fixture(scope="module")
def cells():
    return [generate_cell(np.random.default_rng([7, i]), 128) for i in range(80)]


def placed(seed, size=128, cell=None):
    rng = np.random.default_rng(seed)
    return rng, Layout.draw(rng, Module.draw(rng, cell), size)


def noise_free(seed, size=128):
    """Return a layout and a sharp, bright camera without noise, to see the effect of defects."""
    rng, layout = placed(seed, size)
    camera = Camera(
        brightness=0.6, dark_level=0, gap_brightness=0.3, gradient=(0, 0), vignetting=0, halo=0, halo_reach=0.02,
        blur=0.35, full_well=1e9, read_noise=0, resampling_blur=0, coarse_size=None, jpeg_quality=None,
    )  # fmt: skip
    return rng, layout, camera


def test_shapes_types_and_classes(cells):
    assert CELL_CLASSES.names == (
        "background",
        "cell",
        "busbar",
        "crack",
        "inactive_area",
        "finger_interruption",
    )
    for image, mask in cells:
        assert (image.shape, image.dtype) == ((128, 128, 1), np.uint8)
        assert (mask.shape, mask.dtype) == ((128, 128), np.uint8)
        assert mask.max() < len(CELL_CLASSES)


def test_a_seed_gives_the_same_cell_and_another_seed_another():
    first, again, other = (generate_cell(np.random.default_rng(seed), 128) for seed in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_masks_are_the_same_on_every_machine():
    """If these numbers change, every seed gives another dataset."""
    masks = [generate_cell(np.random.default_rng(seed), 64)[1] for seed in range(12)]
    assert [crc32(mask.tobytes()) for mask in masks] == MASKS
    assert len(np.unique(masks)) == 6


def test_images_are_within_a_grey_level_if_opencv_computes_differently():
    """OpenCV without vector instructions represents another machine; JPEG may amplify a difference of one level."""

    def draw(seed):
        rng = np.random.default_rng([9, seed])
        camera = replace(Camera.draw(rng), jpeg_quality=None)
        return generate_cell(rng, 96, camera=camera)

    drawn = [draw(seed) for seed in range(20)]
    cv2.setUseOptimized(False)
    try:
        again = [draw(seed) for seed in range(20)]
    finally:
        cv2.setUseOptimized(True)
    for (image, mask), (other, same) in zip(drawn, again, strict=True):
        assert np.array_equal(mask, same)
        assert np.abs(image.astype(int) - other).max() <= 1


@pytest.mark.parametrize("size", [32, 100, 300])
def test_every_size_shows_its_defects(size):
    """A defect away from metal and edges is in the mask, with the same area up to the pixels along its outline."""
    for seed in range(40):
        rng, layout = placed(seed, size)
        silicon = layout.cell_coverage * (1 - layout.busbar_coverage)
        for defect in draw_defects(rng, layout):
            drawn = float((defect.patch.coverage * silicon[defect.patch.window]).sum())
            shown = int((draw_mask(layout, [defect]) == defect.class_id).sum())
            assert shown > 0 or drawn < 3, (seed, defect.class_id, drawn)
            assert 0.6 * drawn - 3 < shown < 1.7 * drawn + 3, (seed, defect.class_id, drawn, shown)


@pytest.mark.parametrize("draw", [draw_crack, draw_inactive_area, draw_interruptions])
@pytest.mark.parametrize("seed", range(12))
def test_a_defect_darkens_its_own_pixels_only(draw, seed):
    rng, layout, camera = noise_free(seed)
    drawn = draw(rng, layout)
    defects = drawn if isinstance(drawn, list) else [drawn]
    mask = draw_mask(layout, defects)
    image, sound = (
        render_image(deepcopy(rng), layout, present, camera, "uint16")[..., 0].astype(int)
        for present in (defects, [])
    )
    touched = np.zeros(mask.shape, np.uint8)
    for defect in defects:
        touched[defect.patch.window] |= cv2.dilate(defect.patch.coverage, np.ones((5, 5))) > 0
    beyond = cv2.dilate(touched, np.ones((7, 7), np.uint8)) == 0
    if all(defect.softness < 1 for defect in defects):
        assert not (np.abs(sound - image)[beyond] > 1).any()
    for class_id in set(np.unique(mask)) - {BACKGROUND, CELL, BUSBAR}:
        region = mask == class_id
        assert image[region].mean() < 0.985 * sound[region].mean()


def test_specks_are_deeper_where_the_noise_is_high():
    rng = np.random.default_rng(3)
    where = np.full((64, 64), -1, np.float32)
    where[:, 40:] = 2
    lost = np.stack([draw_specks(rng, where) for _ in range(40)])
    assert lost.min() >= 0
    assert 0.1 < lost.max() <= MAX_SPECK_LOSS
    assert lost[:, :, 45:].mean() > 2 * lost[:, :, :35].mean()


def test_coarse_images_have_less_detail():
    rng, layout, camera = noise_free(1)
    defects = draw_crack(rng, layout)
    fine, coarse = (
        render_image(deepcopy(rng), layout, [defects], one, "uint16")[..., 0].astype(float)
        for one in (camera, replace(camera, coarse_size=64))
    )
    assert coarse.shape == fine.shape
    assert coarse.mean() == pytest.approx(fine.mean(), rel=0.01)
    assert np.abs(np.diff(coarse)).max() < 0.8 * np.abs(np.diff(fine)).max()


def test_the_priority_of_defects_that_overlap():
    _, layout = placed(0, 64, "poly")
    everywhere = Patch((slice(0, 64), slice(0, 64)), np.ones((64, 64), np.float32))
    defects = [Defect(i, everywhere, np.float32(0.5)) for i in (CRACK, FINGER_INTERRUPTION, INACTIVE_AREA)]
    for order in ((0, 1, 2), (2, 1, 0), (1, 0, 2)):
        mask = draw_mask(layout, [defects[i] for i in order])
        assert set(np.unique(mask)) <= {BACKGROUND, BUSBAR, CRACK}
        assert ((mask == BUSBAR) == ((layout.busbar_coverage >= 0.5) & (layout.cell_coverage >= 0.5))).all()
    assert set(np.unique(draw_mask(layout, defects[1:]))) <= {BACKGROUND, BUSBAR, FINGER_INTERRUPTION}


def test_blemishes_are_cell():
    _, layout = placed(1, 64)
    everywhere = Patch((slice(0, 64), slice(0, 64)), np.ones((64, 64), np.float32))
    blemish = Defect(CELL, everywhere, np.float32(0.5))
    assert np.array_equal(draw_mask(layout, [blemish]), draw_mask(layout, []))


def test_inactive_areas_are_bounded_by_the_cracks_that_isolate_them():
    for seed in range(40):
        rng, layout = placed(seed)
        outline, sides = draw_isolated_piece(rng, layout)
        corners = {tuple(corner) for corner in outline}
        for side in sides:
            assert {tuple(corner) for corner in side[:-1]} <= corners
        assert outline.min() >= -0.2
        assert outline.max() <= 1.2


def test_cracks_in_mono_cells_are_oblique_and_those_in_poly_cells_have_any_direction():
    steep = {}
    for cell in ("mono", "poly"):
        angles = []
        for seed in range(150):
            rng, layout = placed(seed, cell=cell)
            patch = draw_crack(rng, layout).patch
            rows, columns = patch.coverage.shape
            angles.append(np.degrees(np.arctan2(rows, columns)))
        steep[cell] = np.mean(np.abs(np.array(angles) - 45) < 15)
    assert steep["mono"] > 0.6
    assert steep["poly"] < steep["mono"] - 0.15


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("kind", ["single", "crossing"])
def test_cracks_in_mono_follow_the_planes_of_the_wafer_also_in_half_cut_cells(half, kind, monkeypatch):
    """Every straight segment, also after a turn, is within 9 degrees of 45 on the wafer."""
    drawn = []
    monkeypatch.setattr(cracks, "CRACK_KINDS", Choice({kind: 1.0}, "alone"))
    monkeypatch.setattr(cracks, "OFF_PLANE", Chance(0.0, "never"))
    monkeypatch.setattr(cracks, "draw_lines", lambda _, lines: drawn.extend(line for line, _ in lines))
    for seed in range(60):
        rng = np.random.default_rng(seed)
        module = replace(Module.draw(rng, "mono"), half=half)
        draw_crack(rng, Layout(module, 128, np.eye(3)))
    segments = [np.diff(line[::16], axis=0) for line in drawn]  # 16 steps per segment
    right, down = np.abs(np.concatenate(segments)).T
    angles = np.degrees(np.arctan2(down, right / 2 if half else right))
    assert len(angles) > 60
    assert np.abs(angles - 45).max() < 10


def test_back_contact_cells_are_as_bright_between_busbars():
    rng = np.random.default_rng(0)
    module = replace(Module.draw(rng, "mono"), back_contacts=True)
    layout = Layout.draw(rng, module, 64)
    drawn = np.stack(
        [draw_silicon(np.random.default_rng(seed), layout)[16:48].mean(axis=1) for seed in range(200)]
    )
    assert np.ptp(drawn.mean(axis=0)) < 0.01


def test_no_single_area_is_the_whole_cell():
    """A cell that is dim as a whole looks the same as a short exposure."""
    for seed in range(300):
        rng = np.random.default_rng(seed)
        module = replace(Module.draw(rng, "mono"), back_contacts=seed % 2 == 0)
        layout = Layout.draw(rng, module, 64)
        area = draw_inactive_area(rng, layout)[0].patch
        assert area.coverage.sum() < 0.65 * layout.cell_coverage.sum(), seed


def test_class_shares_are_plausible(cells):
    masks = np.stack([mask for _, mask in cells])
    share = np.bincount(masks.ravel(), minlength=6) / masks.size
    present = [(masks == class_id).any(axis=(1, 2)).mean() for class_id in range(6)]
    assert 0.003 < share[CRACK] < 0.05
    assert 0.01 < share[INACTIVE_AREA] < 0.15
    assert 0.001 < share[FINGER_INTERRUPTION] < 0.03
    assert share[CELL] > 0.6
    sound = (masks <= BUSBAR).all(axis=(1, 2)).mean()
    assert 0.15 < sound < 0.45
    assert all(0.15 < part < 0.7 for part in present[CRACK:])


def test_a_single_cell_of_a_size_out_of_range_is_refused():
    with pytest.raises(ArgumentError, match="`size=16`: must be 32 to 4096"):
        generate_cell(np.random.default_rng(0), 16)
