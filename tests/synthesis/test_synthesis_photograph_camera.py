from dataclasses import replace

import numpy as np
import pytest

from solarseg.synthesis.photograph_camera import PhotographCamera, expose
from solarseg.synthesis.surroundings import draw_surroundings

IDEAL = PhotographCamera(
    exposure=0.5, dark_level=0, vignetting=0, uneven=(0, 0), blur=0, stray_light=0, stray_reach=0.05,
    hot_pixels=0, gains=(1.0,), full_well=1e12, read_noise=0, noise_blur=0, depth="uint16", jpeg_quality=None,
)  # fmt: skip
GREY = np.full((300, 400), 0.8, np.float32)


def photograph(light=GREY, **changes):
    camera = replace(IDEAL, **changes)
    image = expose(np.random.default_rng(0), light, camera)
    return image / np.iinfo(image.dtype).max


def test_an_ideal_camera_is_linear():
    light = np.linspace(0, 1.5, 400, dtype=np.float32)[None].repeat(300, axis=0)
    np.testing.assert_allclose(photograph(light)[..., 0], light * 0.5, atol=2e-5)


def test_light_beyond_the_range_is_clipped():
    assert photograph(exposure=2.0).min() == 1


def test_the_dark_level_and_the_tone_curve_are_as_stated():
    np.testing.assert_allclose(photograph(dark_level=0.1), 0.1 + 0.9 * 0.4, atol=2e-5)
    np.testing.assert_allclose(photograph(gamma=2.0), 0.4**0.5, atol=2e-5)


def test_corners_lose_the_light_that_vignetting_takes():
    image = photograph(vignetting=0.3)[..., 0]
    assert image[150, 200] == pytest.approx(0.4, abs=1e-4)
    for corner in (image[0, 0], image[0, -1], image[-1, 0], image[-1, -1]):
        assert corner == pytest.approx(0.4 * 0.7, abs=2e-3)


def test_sides_differ_by_the_uneven_light():
    image = photograph(uneven=(0.1, -0.05))[..., 0]
    assert image[150, [0, -1]] == pytest.approx([0.4 * 0.9, 0.4 * 1.1], abs=1e-3)
    assert image[[0, -1], 200] == pytest.approx([0.4 * 1.05, 0.4 * 0.95], abs=1e-3)


def test_noise_is_that_of_the_electrons():
    """Shot noise and read noise add as variances."""
    image = photograph(full_well=10_000, read_noise=20)
    assert image.mean() == pytest.approx(0.4, abs=1e-3)
    assert image.std() == pytest.approx(np.sqrt(4000 + 20**2) / 10_000, rel=0.02)
    assert photograph(full_well=10_000, noise_blur=0.8).std() < 0.6 * image.std()


def test_scatter_moves_light_and_keeps_its_sum():
    light = np.zeros((320, 480), np.float32)
    light[140:180, 220:260] = 1
    plain, scattered = photograph(light), photograph(light, stray_light=0.2, stray_reach=0.04, blur=1.0)
    assert scattered.sum() == pytest.approx(plain.sum(), rel=0.01)
    assert scattered[160, 240] < plain[160, 240]
    assert scattered[160, 290] > 20 / 65535 > plain[160, 290]


def test_hot_pixels_are_as_many_as_stated():
    changed = (photograph(hot_pixels=1e-3) != photograph()).sum()
    assert 100 < changed <= 120


def test_channels_are_red_green_and_blue_with_their_gains():
    for quality in (None, 95):
        image = photograph(gains=(1.0, 0.4, 0.7), depth="uint8", jpeg_quality=quality)
        np.testing.assert_allclose(image.reshape(-1, 3).mean(axis=0), [0.4, 0.16, 0.28], atol=0.006)


def test_channels_of_a_grey_photograph_are_equal():
    image = photograph(gains=(1.0, 1.0, 1.0), depth="uint8", full_well=1000)
    assert image.shape == (300, 400, 3)
    assert np.ptp(image, axis=2).max() == 0


def test_drawn_cameras_are_valid():
    kinds = set()
    for seed in range(200):
        camera = PhotographCamera.draw(np.random.default_rng(seed), 2000)
        kinds.add((len(camera.gains), camera.depth))
        assert camera.gamma >= 1
        assert camera.noise_blur == 0 or len(camera.gains) == 3
    assert kinds == {(1, "uint8"), (1, "uint16"), (3, "uint8")}


def test_surroundings_are_lit_by_the_modules_and_brighter_close_to_them():
    covered = np.zeros((240, 320), np.float32)
    covered[80:160, 100:220] = 1
    near, far = np.zeros_like(covered, bool), np.ones_like(covered, bool)
    near[70:170, 90:230] = True
    far[40:200, 40:280] = False
    differences = []
    for seed in range(60):
        light = draw_surroundings(np.random.default_rng(seed), covered, covered)
        assert light.shape == covered.shape
        assert light.min() >= 0
        assert light.max() < 5
        differences.append(np.median(light[near & (covered == 0)]) - np.median(light[far]))
    assert np.mean(np.array(differences) > 0) > 0.9
