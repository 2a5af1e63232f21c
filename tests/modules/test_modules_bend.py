"""A module that is bent out of its plane is placed with its bend, and a flat one without."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from solarseg.modules import ModuleBend, ModulePlacement, locate_module, locate_modules, place_module
from solarseg.modules.edge_residuals import room_in_crops
from solarseg.modules.edges import measure_edges
from solarseg.modules.fit import fit_bend
from solarseg.modules.fit_quality import judge_placement
from solarseg.modules.given import find_contradiction
from solarseg.modules.light import above_black, to_light
from solarseg.modules.locate import fit_corners
from solarseg.synthesis import generate_photograph

SIZE, CENTRE, FOCAL = (1300, 850), (649.5, 424.5), 2000.0
CAMERA = np.array([(FOCAL, 0, CENTRE[0]), (0, FOCAL, CENTRE[1]), (0, 0, 1)])
# Square cells, the camera tilted by 15 degrees about the horizontal axis and by 3 about the others.
TILT = cv2.Rodrigues(np.radians([15.0, 3, 3]))[0]
CORNER = np.linalg.inv(CAMERA) @ (90, 130, 1)
HOMOGRAPHY = CAMERA @ np.c_[0.055 * TILT[:, :2], CORNER]
FOOT = (CAMERA @ TILT[:, 2] / TILT[2, 2])[:2]


def bent(across, down, middle):
    return ModuleBend(across, down, middle, tuple(FOOT.tolist()))


# About as deep as the real modules under the highest load, and the other way.
BENDS = [bent(-0.005, 0.003, 0.005), bent(0.003, -0.002, -0.006)]


def placed(bend=None, rows=6, columns=10):
    return ModulePlacement(rows, columns, HOMOGRAPHY, -0.02, SIZE, (0.03, 0.03), bend=bend)


def photograph(module, dark_columns=0, shifts=0.0):
    """Cells of one brightness where a placement has them, blurred, with noise.

    ``shifts``, ``(rows, columns, 2)``, are how far each cell is from its place.
    """
    pixels = np.stack(np.meshgrid(*(np.arange(side * 2) / 2 for side in SIZE)), axis=-1)
    grid = module.to_grid(pixels)
    last = (module.columns - 1, module.rows - 1)
    column, row = np.moveaxis(np.clip(np.floor(grid), 0, last).astype(int), -1, 0)
    shift = np.broadcast_to(shifts, (module.rows, module.columns, 2))[row, column]
    inside = np.abs(grid - np.floor(grid) - 0.5 - shift).max(axis=-1) < 0.5 - 0.015
    inside &= (grid > 0).all(axis=-1) & (grid < (module.columns - dark_columns, module.rows)).all(axis=-1)
    light = cv2.resize(
        cv2.GaussianBlur(inside.astype(np.float32), (0, 0), 2), SIZE, interpolation=cv2.INTER_AREA
    )
    noise = np.random.default_rng(0).normal(0, 2, light.shape)
    return np.clip(30 + 150 * light + noise, 0, 255).astype(np.uint8)


def room(image, module):
    return room_in_crops(module, *measure_edges(image.astype(np.float32) / 255, module, 110, 0.07))


@pytest.mark.parametrize("bend", BENDS)
def test_all_edges_of_a_bent_module_are_inside_of_their_crops(bend, monkeypatch):
    truth = placed(bend)
    image = photograph(truth)
    found = place_module(truth.corners + 2, (6, 10), image)
    assert np.abs(found.cell_corners - truth.cell_corners).max() < 0.6
    assert len(room(image, found)) == 240
    assert room(image, found).min() > 0.01
    monkeypatch.setattr("solarseg.modules.locate.fit_bend", lambda _, fit: fit)
    flat = place_module(truth.corners + 2, (6, 10), image)
    assert np.abs(flat.cell_corners - truth.cell_corners).max() > 3
    assert room(image, flat).min() < 0.002


@pytest.mark.parametrize("bend", BENDS)
def test_the_bend_is_that_of_the_module(bend):
    truth = placed(bend)
    found = place_module(truth.corners, (6, 10), photograph(truth)).bend
    depths = (found.across, found.down, found.middle)
    assert depths == pytest.approx((bend.across, bend.down, bend.middle), abs=0.0004)
    assert found.foot == pytest.approx(bend.foot, abs=30)


def test_a_flat_module_has_no_bend():
    assert place_module(placed().corners + 2, (6, 10), photograph(placed())).bend is None
    shown = generate_photograph(np.random.default_rng(1), size=900, rows=6, columns=10, straight=True)
    assert locate_module(shown.image).bend is None


def test_no_bend_is_found_where_a_side_is_not_seen():
    truth = placed(BENDS[0])
    assert place_module(truth.corners, (6, 10), photograph(truth)).bend is not None
    assert place_module(truth.corners, (6, 10), photograph(truth, dark_columns=1)).bend is None


def test_no_bend_is_found_that_explains_too_little(monkeypatch):
    """Cells that are not in line have edges at the end of their crops, which no bend explains."""
    truth = placed()
    shifts = np.random.default_rng(0).choice((-0.012, 0.012), (6, 10, 2))
    image = photograph(truth, shifts=shifts)
    assert room(image, truth).min() < 0.003
    assert place_module(truth.corners, (6, 10), image).bend is None
    monkeypatch.setattr("solarseg.modules.fit._BEND_PAYS", 1.0)
    assert place_module(truth.corners, (6, 10), image).bend is not None


def test_a_bend_is_compared_with_a_plane_on_the_same_edges():
    """A flat module that is not in place needs to be moved, and no bend."""
    truth = placed()
    light = above_black(to_light(photograph(truth)))
    moved = replace(truth, homography=truth.homography @ np.array([(1, 0, 0.02), (0, 1, 0.01), (0, 0, 1)]))
    fit = judge_placement(light, moved)
    assert room_in_crops(moved, fit.edges.across, fit.edges.down).min() < 0
    assert fit_bend(light, fit).placement.bend is None
    bent_light = above_black(to_light(photograph(placed(BENDS[0]))))
    assert fit_bend(bent_light, judge_placement(bent_light, moved)).placement.bend is not None


@pytest.mark.parametrize(("bend", "cells"), [(BENDS[0], (6, 9)), (BENDS[1], (6, 9)), (BENDS[1], (5, 10))])
def test_more_cells_next_to_a_bent_module_are_seen_without_its_bend(bend, cells, monkeypatch):
    """A bend is a parabola over the cells of a grid: with another row of cells it would be another one."""
    truth = placed(bend)
    image = photograph(truth)
    outer = truth.cell_corners[: cells[0], : cells[1]]
    corners = np.array([outer[0, 0, 0], outer[0, -1, 1], outer[-1, -1, 2], outer[-1, 0, 3]])
    judged = []

    def record(light, fit, *others):
        judged.append(fit.placement)
        return find_contradiction(light, fit, *others)

    monkeypatch.setattr("solarseg.modules.locate.find_contradiction", record)
    module, contradiction = fit_corners(corners, cells, image)
    assert contradiction == "more cells are seen next to these, 6 x 10 in all"
    assert (module.rows, module.columns) == cells
    assert [one.bend for one in judged] == [None]
    located = locate_modules(image, (6, 10))
    assert [one.bend is None for one in located.modules] == [False]
    assert [one.bend for one in judged] == [None, None]


def test_strings_without_light_are_added_to_a_grid_without_a_bend(monkeypatch):
    """The bend of the cells with light is not that of the whole module."""
    truth = placed(BENDS[0], rows=4)
    completed = []

    def complete(light, placements, sure=True):
        completed.extend(placements)
        return [replace(one, rows=one.rows + 2) if sure else None for one in placements]

    monkeypatch.setattr("solarseg.modules.locate.complete_grids", complete)
    located = locate_modules(photograph(truth))
    assert [one.bend for one in completed] == [None, None]
    assert [(one.rows, one.bend) for one in located.modules] == [(6, None)]


def test_the_confidence_is_that_of_the_bent_module():
    truth = placed(BENDS[0])
    image = photograph(truth)
    module = locate_modules(image).modules[0]
    judged = judge_placement(above_black(to_light(image)), module)
    assert module.bend is not None
    assert module.confidence == pytest.approx(judged.quality, abs=0.02)


@pytest.mark.parametrize("middle_gap", [(0.0, 0.0), (0.2, 0.1)])
def test_the_scale_of_a_homography_changes_nothing(middle_gap):
    one = replace(placed(bent(-0.05, 0.03, 0.05)), middle_gap=middle_gap)
    twice = replace(one, homography=2 * one.homography)
    assert np.abs(twice.cell_corners - one.cell_corners).max() < 1e-9
    pixels = one.cell_corners
    assert np.abs(twice.to_grid(pixels) - one.to_grid(pixels)).max() < 1e-9


def test_the_bend_is_continuous_beyond_the_sides():
    """What is next to a module is as deep as its side: the fit and the search look around modules."""
    bend = BENDS[0]
    s = np.array([-9.0, -1.5, -1.0, 0.0, 1.0])
    middle = bend.depth(s, np.zeros(5))
    assert middle[2:].tolist() == pytest.approx([0.003, 0.003, 0.003])
    assert middle[0] == middle[1] == pytest.approx(0.003, abs=1e-4)
    steps = bend.depth(np.linspace(-3, 3, 1000), np.full(1000, 0.5))
    assert np.abs(np.diff(steps)).max() < 1e-4
