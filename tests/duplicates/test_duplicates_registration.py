import cv2
import numpy as np
import pytest
from skimage.filters import window
from skimage.registration import phase_cross_correlation
from skimage.transform import AffineTransform, warp

from solarseg.duplicates.perceptual_hash import SIDE, apply_symmetry, shrink_to_grey
from solarseg.duplicates.registration import MIN_CORRELATION, aligned_correlation, register_images


def texture(seed, side=300, deviation=4.0):
    noise = np.random.default_rng(seed).normal(size=(side, side)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), deviation)
    return 128 + 40 * blurred / blurred.std()


def small(image):
    return shrink_to_grey(np.ascontiguousarray(image)[..., None])


def test_a_shift_equals_that_of_scikit_image():
    image = texture(0, 400)
    one, other = small(image[50:350, 50:350]), small(image[53:353, 44:344])
    framed = [(image - image.mean()) * window("hann", image.shape) for image in (other, one)]
    down, right = phase_cross_correlation(*framed, upsample_factor=50, normalization=None)[0]
    found = register_images(one, other)
    assert found[:, :2] == pytest.approx(np.eye(2), abs=0.005)
    assert found @ (64, 64, 1) == pytest.approx((64 + right, 64 + down), abs=0.1)
    assert found @ (64, 64, 1) == pytest.approx((64 + 6 * 128 / 300, 64 - 3 * 128 / 300), abs=0.05)


def test_the_map_of_a_crop_is_found():
    image = texture(1)
    top, bottom, left, right = 8, 3, 14, 0
    found = register_images(small(image), small(image[top : 300 - bottom, left : 300 - right]))
    # Centres of pixels are half a pixel inside, on both scales.
    per_pixel = np.array([(300 - left - right) / SIDE, (300 - top - bottom) / SIDE])
    for point in np.array([(20.0, 20.0), (100, 30), (60, 110)]):
        wanted = ((point + 0.5) * 300 / SIDE - (left, top)) / per_pixel - 0.5
        assert found @ (*point, 1) == pytest.approx(wanted, abs=0.1)


def test_a_small_rotation_and_change_of_size_are_found():
    one = small(texture(2))
    there = AffineTransform(scale=(1.04, 0.97), rotation=0.015, translation=(2, -3))
    assert register_images(one, moved(one, there)) == pytest.approx(there.params[:2], abs=0.15)


def moved(image, there):
    return warp(image, there.inverse, order=3, mode="edge", preserve_range=True).astype(np.float32)


@pytest.mark.parametrize(
    ("there", "refused"),
    [
        ({"translation": (4, -6)}, False),
        ({"translation": (0, 11)}, True),
        ({"scale": 1.1, "translation": (-6, -6)}, False),
        ({"scale": 1.25, "translation": (-16, -16)}, True),
        ({"scale": (1, 0.8), "translation": (0, 13)}, True),
        ({"rotation": 0.04, "translation": (2.5, -2.5)}, True),
        ({"shear": 0.04, "translation": (2.5, 0)}, True),
    ],
)
def test_only_maps_of_small_crops_and_changes_of_size_are_found(there, refused):
    one = small(texture(2))
    assert (register_images(one, moved(one, AffineTransform(**there))) is None) == refused


def test_there_is_no_map_between_different_images():
    assert register_images(small(texture(3)), np.zeros((SIDE, SIDE), np.float32)) is None
    assert aligned_correlation(small(texture(3)), np.zeros((SIDE, SIDE), np.float32)) == 0


@pytest.mark.parametrize("symmetry", range(8))
def test_copies_are_confirmed_only_with_their_symmetry(symmetry):
    image = texture(10 + symmetry)
    copy = apply_symmetry(image, symmetry)[3:, :-5]
    agreements = [aligned_correlation(small(image), small(copy), tried) for tried in range(8)]
    assert [agreement >= MIN_CORRELATION for agreement in agreements] == [
        tried == symmetry for tried in range(8)
    ]


def test_other_images_are_not_confirmed():
    agreements = [
        aligned_correlation(small(texture(seed)), small(texture(seed + 1))) for seed in range(20, 40)
    ]
    assert max(agreements) < 0.7


def test_tones_do_not_matter():
    image = texture(4)
    for tones in (
        0.3 * image + 5,
        255 * (image / 255).clip(0, 1) ** 1.8,
        image.clip(None, 140),
        -7 + image * 200,
    ):
        assert aligned_correlation(small(image), small(tones)) >= MIN_CORRELATION
        assert aligned_correlation(small(tones), small(image)) >= MIN_CORRELATION


def test_an_inverted_image_is_not_a_copy():
    assert aligned_correlation(small(texture(5)), small(255 - texture(5))) <= 0


def structure(image):
    detail = cv2.GaussianBlur(image, (0, 0), 2.8) - cv2.GaussianBlur(image, (0, 0), 5.6)
    return (detail - detail.mean(axis=0) - detail.mean(axis=1)[:, None])[4:-4, 4:-4].ravel()


def test_grain_is_allowed_and_structure_is_not():
    rng = np.random.default_rng(0)
    one = small(texture(6, deviation=9))
    grain = rng.normal(0, 25, one.shape).astype(np.float32)
    noisy = one + grain
    plain = np.corrcoef(structure(one), structure(noisy))[0, 1]
    assert plain < 0.993 < MIN_CORRELATION <= aligned_correlation(one, noisy)
    # The same power in the compared structures, but none in finer ones.
    coarse = cv2.GaussianBlur(grain, (0, 0), 2.5)
    other = one + coarse * (structure(grain).std() / structure(coarse).std())
    assert aligned_correlation(one, other) == pytest.approx(plain, abs=0.003)


def test_two_images_of_noise_are_not_copies():
    rng = np.random.default_rng(1)
    for _ in range(5):
        one, other = rng.normal(100, 20, (2, SIDE, SIDE)).astype(np.float32)
        assert aligned_correlation(one, other) < 0.5
        assert (
            aligned_correlation(one, one + rng.normal(0, 2, one.shape).astype(np.float32)) >= MIN_CORRELATION
        )


def test_images_with_a_common_frame_are_not_copies():
    frame = np.full((300, 300), 120, np.float32)
    frame[:8] = frame[-8:] = frame[:, :8] = frame[:, -8:] = 20
    for row in (60, 150, 240):
        frame[row : row + 6] = 40
    cells = [frame + 0.08 * (texture(seed) - 128) for seed in range(50, 56)]
    assert max(aligned_correlation(small(cells[0]), small(cell)) for cell in cells[1:]) < 0.8
    assert aligned_correlation(small(cells[0]), small(cells[0][6:, 6:])) >= MIN_CORRELATION


def test_one_feature_is_not_enough_at_any_strength():
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:SIDE, :SIDE]
    spot = 200 * np.exp(-((y - 60) ** 2 + (x - 70) ** 2) / 50).astype(np.float32)
    for deviation in (0, 0.5, 2):
        one, other = spot + rng.normal(0, deviation, (2, SIDE, SIDE)).astype(np.float32)
        assert np.corrcoef(structure(one), structure(other))[0, 1] > 0.99
        assert aligned_correlation(one, other) == 0
    assert aligned_correlation(one, one + rng.normal(0, 0.5, one.shape).astype(np.float32)) >= MIN_CORRELATION


def test_empty_places_are_left_out_unless_most_are_empty():
    image = small(texture(7))
    grain = np.random.default_rng(3).normal(0, 1, image.shape).astype(np.float32)
    for black, found in ((0.3, True), (0.6, False)):
        left = image.copy()
        left[:, : round(black * SIDE)] = 0
        assert (aligned_correlation(left, np.where(left > 0, left + grain, 0)) >= MIN_CORRELATION) == found
