import numpy as np
import pytest

from solarseg.synthesis import scene as scenes
from solarseg.synthesis import viewpoint
from solarseg.synthesis.parameters import Chance, Choice, Range
from solarseg.synthesis.scene import Scene

NEVER, ALWAYS = Chance(0.0, "for a test"), Chance(1.0, "for a test")


def outline(scene):
    """Return points along the outline of all modules of a block that should be in the picture."""
    along = np.linspace(0, 1, 101)[:, None]
    corners = scene.plan.outline
    sides = [a + (b - a) * along for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
    return np.concatenate([scene.to_pixels(np.concatenate(sides), place) for place in scene.places])


@pytest.fixture
def alone(monkeypatch):
    monkeypatch.setattr(scenes, "NEIGHBOURS", NEVER)
    monkeypatch.setattr(scenes, "TIGHT", NEVER)
    monkeypatch.setattr(viewpoint, "CROPPED", NEVER)


@pytest.mark.parametrize("arrangement", ["1x1", "2x2", "1x3"])
def test_modules_fill_the_stated_part_of_the_picture(monkeypatch, alone, arrangement):
    monkeypatch.setattr(scenes, "ARRANGEMENTS", Choice({arrangement: 1.0}, "for a test"))
    monkeypatch.setattr(scenes, "FILL", Range(0.8, 0.8 + 1e-9, "picture", "for a test"))
    rows, columns = map(int, arrangement.split("x"))
    for seed in range(10):
        scene = Scene.draw(np.random.default_rng(seed), 1000)
        assert len(scene.places) == rows * columns
        assert max(scene.width, scene.height) == 1000
        seen = outline(scene)
        assert scene.contains(seen).all()
        shares = np.ptp(seen, axis=0) / (scene.width, scene.height)
        assert shares.max() == pytest.approx(0.8, abs=0.002)


def test_modules_are_cropped_by_the_stated_share(monkeypatch, alone):
    monkeypatch.setattr(viewpoint, "CROPPED", ALWAYS)
    monkeypatch.setattr(scenes, "ARRANGEMENTS", Choice({"1x1": 1.0}, "for a test"))
    monkeypatch.setattr(viewpoint, "CROPPED_SHARE", Range(0.25, 0.25 + 1e-9, "share", "for a test"))
    sides = set()
    for seed in range(30):
        scene = Scene.draw(np.random.default_rng(seed), 1000)
        seen = outline(scene)
        low, high = seen.min(axis=0), seen.max(axis=0)
        beyond = np.concatenate([-0.5 - low, high - (scene.width - 0.5, scene.height - 0.5)])
        outside = beyond / np.tile(high - low, 2)
        assert (outside > 0.01).sum() == 1
        assert outside.max() == pytest.approx(0.25, abs=0.01)
        sides.add(int(np.argmax(outside)))
    assert sides == {0, 1, 2, 3}


def test_a_tight_picture_ends_close_to_the_cells(monkeypatch):
    monkeypatch.setattr(scenes, "TIGHT", ALWAYS)
    for seed in range(20):
        scene = Scene.draw(np.random.default_rng(seed), 1000)
        (place,) = scene.places
        cells = scene.to_pixels(scene.plan.cell_corners, place)
        assert scene.contains(cells).all()
        shares = np.ptp(cells.reshape(-1, 2), axis=0) / (scene.width, scene.height)
        assert 0.94 < shares.max() < 1
        assert shares.min() > 0.85


def test_neighbours_surround_the_modules(monkeypatch):
    monkeypatch.setattr(scenes, "NEIGHBOURS", ALWAYS)
    monkeypatch.setattr(scenes, "TIGHT", NEVER)
    monkeypatch.setattr(scenes, "ARRANGEMENTS", Choice({"1x2": 1.0}, "for a test"))
    scene = Scene.draw(np.random.default_rng(0), 1000)
    offsets = np.array([place.offset for place in scene.places])
    assert len(offsets) == 3 * 4
    for axis, (size, count) in enumerate(((scene.plan.width, 4), (scene.plan.height, 3))):
        steps = np.unique(offsets[:, axis])
        assert len(steps) == count
        assert (np.diff(steps) > size).all()  # they do not overlap


def test_rotations_are_within_their_ranges_and_in_both_directions(alone):
    rolls, leans = [], []
    for seed in range(200):
        rotation = Scene.draw(np.random.default_rng(seed), 500).pose.rotation
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)
        rolls.append(np.degrees(np.arctan2(-rotation[0, 1], rotation[1, 1])))
        leans.append(np.degrees(np.arccos(rotation[2, 2])))
    assert -15.01 < min(rolls) < -10
    assert 10 < max(rolls) < 15.01
    assert 15 < max(leans) < 40


def test_the_lens_shifts_the_corners_of_the_picture_by_the_stated_share(monkeypatch, alone):
    monkeypatch.setattr(viewpoint, "DISTORTION", Range(-0.04, -0.04 + 1e-9, "share", "for a test"))
    monkeypatch.setattr(viewpoint, "DISTORTION_K2", Range(0.005, 0.005 + 1e-9, "share", "for a test"))
    monkeypatch.setattr(viewpoint, "OPTICAL_AXIS", Range(0, 1e-9, "picture", "for a test"))
    scene = Scene.draw(np.random.default_rng(3), 900)
    centre = (np.array([scene.width, scene.height]) - 1) / 2
    corner = np.array([scene.width, scene.height]) / 2
    moved = scene.lens.to_pixels(corner / scene.lens.focal_length) - centre
    np.testing.assert_allclose(moved / corner, 1 - 0.04 + 0.005, atol=1e-6)
