import tracemalloc

import cv2
import numpy as np
import pytest
import scipy.fft
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from solarseg.duplicates import perceptual_hash
from solarseg.duplicates.perceptual_hash import (
    SIDE,
    SYMMETRIES,
    ImageHash,
    apply_symmetry,
    hash_image,
    propose_pairs,
    shrink_to_grey,
)

PIL_TURNS = {
    "rotated 90° left": Image.Transpose.ROTATE_90,
    "rotated 180°": Image.Transpose.ROTATE_180,
    "rotated 90° right": Image.Transpose.ROTATE_270,
    "flipped left to right": Image.Transpose.FLIP_LEFT_RIGHT,
    "flipped left to right, then rotated 90° left": Image.Transpose.TRANSPOSE,
    "flipped top to bottom": Image.Transpose.FLIP_TOP_BOTTOM,
    "flipped left to right, then rotated 90° right": Image.Transpose.TRANSVERSE,
}


def texture(seed, height=200, width=300, bands=1):
    noise = np.random.default_rng(seed).normal(size=(height, width, bands)).astype(np.float32)
    blurred = cv2.GaussianBlur(noise, (0, 0), 6).reshape(noise.shape)
    return (128 + 40 * blurred / blurred.std()).clip(0, 255).round().astype(np.uint8)


def proposals(hashes, **options):
    return [tuple(row) for rows in propose_pairs(hashes, **options) for row in rows.tolist()]


def test_symmetries_equal_those_of_pillow():
    image = texture(0)
    for symmetry, name in enumerate(SYMMETRIES[1:], start=1):
        assert (
            apply_symmetry(image, symmetry)[..., 0]
            == Image.fromarray(image[..., 0]).transpose(PIL_TURNS[name])
        ).all()


@pytest.mark.parametrize("bands", [1, 3, 13])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_rotated_image_is_proposed_with_its_symmetry(bands, dtype):
    image = texture(bands, bands=bands).astype(dtype)
    for symmetry in range(8):
        copy = np.ascontiguousarray(apply_symmetry(image, symmetry))
        assert copy.shape[:2] == ((300, 200) if symmetry % 2 else (200, 300))
        assert proposals([hash_image(image), hash_image(copy)], max_distance=1) == [(0, 1, symmetry)]


def test_coefficients_equal_scipy():
    image = texture(4)
    small = shrink_to_grey(image).astype(np.float64)
    ramp = np.sin(np.pi * (np.arange(SIDE) + 0.5) / SIDE)
    small = scipy.signal.detrend(
        scipy.signal.detrend(small, axis=0, type="constant"), axis=1, type="constant"
    )
    spectrum = scipy.fft.dctn(small * ramp[:, None] * ramp, norm="ortho")
    wanted = np.array([
        spectrum[u, v] for u in range(1, SIDE) for v in range(1, SIDE) if u * u + v * v <= 90
    ])  # fmt: skip
    assert len(wanted) == 64
    rooted = np.sign(wanted) * np.abs(wanted) ** 0.5
    assert hash_image(image).coefficients == pytest.approx(rooted / np.sqrt((rooted**2).sum()), abs=1e-4)


def transform_through_an_image(coefficients, symmetry):
    """Return the coefficients of an image after a symmetry is applied to it."""
    places = [(u, v) for u in range(1, 10) for v in range(1, 10) if u * u + v * v <= 90]
    spectrum = np.zeros((12, 12))
    for (u, v), value in zip(places, coefficients, strict=True):
        spectrum[u, v] = value
    again = scipy.fft.dctn(apply_symmetry(scipy.fft.idctn(spectrum), symmetry))
    return [again[place] for place in places]


def brute_force(coefficients, distance):
    found = {}
    for i, first in enumerate(coefficients):
        turns = [transform_through_an_image(first, symmetry) for symmetry in range(8)]
        for j in range(i + 1, len(coefficients)):
            second = coefficients[j]
            apart = min(sum((a > 0) != (b > 0) for a, b in zip(one, second, strict=True)) for one in turns)
            likeness = [sum(a * b for a, b in zip(one, second, strict=True)) for one in turns]
            if apart <= distance:
                likely = [k for k in range(8) if likeness[k] >= max(0.6, max(likeness) - 0.1)]
                found[i, j] = sorted(likely, key=lambda k: -likeness[k])
    return {pair: symmetries for pair, symmetries in found.items() if symmetries}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), distance=st.sampled_from([8, 16, 26]), spread=st.floats(0.02, 0.15))
def test_proposals_equal_brute_force(seed, distance, spread):
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(3, 64))
    made = []
    for _ in range(14):
        centre = centres[rng.integers(3)]
        one = transform_through_an_image(centre / np.linalg.norm(centre), int(rng.integers(8)))
        one = one + rng.normal(0, spread, 64)
        made.append((one / np.linalg.norm(one)).astype(np.float32))
    found = {}
    for i, j, symmetry in proposals([ImageHash("", one) for one in made], max_distance=distance):
        found.setdefault((i, j), []).append(symmetry)
    assert found == brute_force(made, distance)


def test_blocks_and_threads_change_nothing(monkeypatch):
    base = [texture(seed, 60, 60) for seed in range(5)]
    prints = [hash_image(np.ascontiguousarray(apply_symmetry(base[i % 5], i % 8))) for i in range(40)]
    whole = proposals(prints, threads=1)
    assert {row[:2] for row in whole} == {
        (i, j) for i in range(40) for j in range(i + 1, 40) if (j - i) % 5 == 0
    }
    monkeypatch.setattr(perceptual_hash, "_ROWS", 3)
    monkeypatch.setattr(perceptual_hash, "_COLUMNS", 7)
    assert sorted(proposals(prints, threads=3)) == sorted(whole)


def test_flat_images_are_never_proposed():
    flat = np.full((50, 70, 3), 93, np.uint8)
    almost = flat.astype(np.float32) + np.random.default_rng(0).normal(0, 1e-4, flat.shape)
    bars = flat + np.uint8(50) * (np.arange(70)[:, None] % 9 > 6)
    shown = (flat, flat, almost, bars, np.zeros_like(flat), texture(1), texture(1))
    prints = [hash_image(image) for image in shown]
    assert [bool(one.coefficients.any()) for one in prints] == [False] * 5 + [True] * 2
    assert proposals(prints, max_distance=64) == [(5, 6, 0)]
    assert proposals(prints[:2]) == proposals([]) == []


def test_values_constant_along_rows_or_columns_do_not_matter():
    image = texture(2, 256, 256).astype(np.float32)
    bars = image + 0
    bars[:, 60:64] -= 30
    bars[120:126] -= 30
    assert hash_image(bars).coefficients == pytest.approx(hash_image(image).coefficients, abs=0.02)


def test_the_small_copy_is_grey():
    image = texture(3, 256, 384, bands=3)
    grey = np.asarray(Image.fromarray(image).convert("L")).astype(np.float32)
    assert shrink_to_grey(image) == pytest.approx(
        cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), abs=0.6
    )
    many = texture(3, 256, 256, bands=13)
    assert shrink_to_grey(many) == pytest.approx(
        many.mean(axis=-1).reshape(128, 2, 128, 2).mean(axis=(1, 3)), abs=0.01
    )
    assert shrink_to_grey(texture(3, 5, 7)).shape == (SIDE, SIDE)


@pytest.mark.parametrize("bands", [1, 3, 4])
def test_large_images_are_converted_to_grey_in_blocks(bands, monkeypatch):
    image = np.random.default_rng(0).integers(0, 256, (3000, 2000, bands), dtype=np.uint8)
    tracemalloc.start()
    small = shrink_to_grey(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * 3000 * 2000 + 2 * 4 * 256 * 2000 * bands + 10**6  # grey as float32, and a block
    monkeypatch.setattr(perceptual_hash, "_BLOCK_ROWS", 7)
    assert shrink_to_grey(image) == pytest.approx(small, abs=1e-3)


def test_the_digest_is_of_shape_depth_and_pixels():
    image = texture(5)
    other = image.copy()
    other[0, 0] += 1
    shapes = (image, other, image.astype(np.uint16), image.reshape(100, 600, 1), np.asfortranarray(image))
    digests = [hash_image(one).digest for one in shapes]
    assert len(set(digests[:4])) == 4
    assert digests[4] == digests[0]
