from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solarseg.errors import ArgumentError
from solarseg.inference.model import Model, load_model
from solarseg.inference.options import PredictOptions
from solarseg.inference.sources import ArraySource


def opened(info, compute, **options):
    """A model of a network that is given as a function."""
    return Model(Path("m.onnx"), info, "none", "cpu", PredictOptions(**options), compute)


@pytest.fixture(scope="session")
def info(trained):
    run, _ = trained
    return load_model(run.path).info.model_copy(update={"trained_size": (64, 64)})


def brightness(images):
    """A network that looks at one pixel at a time: bright is foreground."""
    share = images[..., :1].astype(np.float32) / 255
    return np.concatenate([1 - share, share], axis=-1)


def smooth(images):
    """A network that sees two pixels to each side."""
    padded = np.pad(
        images[..., :1].astype(np.float32) / 255, [(0, 0), (2, 2), (2, 2), (0, 0)], mode="symmetric"
    )
    rows, columns = images.shape[1:3]
    share = np.mean([padded[:, y : y + rows, x : x + columns] for y in range(5) for x in range(5)], axis=0)
    return np.concatenate([1 - share, share], axis=-1)


SIDES = st.integers(1, 300)


@settings(deadline=None, max_examples=25)
@given(height=SIDES, width=SIDES, overlap=st.integers(0, 32))
def test_tiles_of_a_network_that_sees_one_pixel_show_no_seams(info, height, width, overlap):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = opened(info, brightness, tile=64, overlap=overlap).predict_probabilities(image)
    assert found == pytest.approx(brightness(image[None])[0], abs=1e-5)


@settings(deadline=None, max_examples=15)
@given(height=st.integers(65, 300), width=st.integers(65, 300))
def test_tiles_of_a_network_that_sees_little_are_nearly_the_whole(info, height, width):
    """Noise is the hardest of images; overlaps are wide enough that what tile borders cannot see counts little."""
    image = np.random.default_rng(0).integers(100, 140, (height, width, 3), dtype=np.uint8)
    found = opened(info, smooth, tile=64, overlap=32).predict_probabilities(image)
    assert np.abs(found - smooth(image[None])[0]).mean() < 1e-3


def plan(model, *size, metres=None, georeferenced=None):
    georeferenced = metres is not None if georeferenced is None else georeferenced
    return model.pipeline.plan(ArraySource("a", np.zeros((*size, 3), np.uint8), None, georeferenced, metres))


def test_what_is_much_larger_or_georeferenced_is_split_into_tiles(info):
    model = opened(info, brightness)
    assert plan(model, 128, 128) is None
    assert plan(model, 129, 20).tile == 64
    assert plan(model, 129, 20).overlap == 16
    assert plan(model, 64, 64, metres=0.5).tile == 64  # how wide the training images were is not known
    assert plan(model, 64, 64, georeferenced=True).tile == 64  # nor how wide this one is
    known = opened(info.model_copy(update={"metres_per_pixel": 0.25}), brightness)
    assert plan(known, 64, 64, metres=0.5).tile == 32
    assert plan(known, 500, 500, metres=0.05).tile == 320
    assert plan(opened(info, brightness, tile=0), 5000, 5000, metres=0.5) is None
    assert plan(opened(info, brightness, tile=40, overlap=7), 10, 10).overlap == 7


def test_what_fills_its_image_is_resized_as_a_whole_however_large(info):
    info = info.model_copy(update={"fills_image": True})
    whole = opened(info, brightness)
    assert plan(whole, 5000, 5000) is None
    assert plan(whole, 5000, 5000, metres=0.1) is None
    assert plan(opened(info, brightness, tile=48), 5000, 5000).tile == 48


def test_tiles_of_another_size_are_resized(info):
    image = np.zeros((200, 200, 3), np.uint8)
    image[50:130, 60:160] = 255
    found = opened(info, brightness, tile=100, overlap=20).predict(image)
    truth = (image[..., 0] > 0).astype(np.uint8)
    assert (found == truth).mean() > 0.98


def test_symmetries_are_averaged(info):
    """A network that predicts the position of a pixel is uniform after averaging all symmetries."""

    def place(images):
        rows, columns = images.shape[1:3]
        share = np.broadcast_to(
            np.linspace(0, 1, rows)[:, None] * np.linspace(0, 1, columns), images.shape[:3]
        )
        return np.stack([1 - share, share], axis=-1).astype(np.float32)

    images = np.zeros((1, 64, 64, 3), np.uint8)
    found = opened(info, place, tta=True).probabilities(images)[0, ..., 1]
    for turned in (found[::-1], found[:, ::-1], found.T):
        assert np.allclose(found, turned, atol=1e-6)
    assert found == pytest.approx(np.full((64, 64), 0.25), abs=0.26)
    picture = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)
    assert np.allclose(
        opened(info, brightness, tta=True).probabilities(picture), brightness(picture), atol=1e-6
    )


def test_thresholds_by_hand(info):
    names = {"class_names": ("cell", "crack", "dark"), "class_colours": ((0, 0, 0),) * 3}
    three = info.model_copy(update=names)
    values = np.array([[[0.5, 0.3, 0.2], [0.2, 0.3, 0.5], [0.1, 0.45, 0.45], [0.3, 0.29, 0.41]]], np.float32)
    assert opened(three, None).pipeline.choose(values).tolist() == [[0, 2, 1, 2]]
    assert opened(three, None, thresholds={"crack": 0.3}).pipeline.choose(values).tolist() == [[1, 1, 1, 2]]
    assert opened(three, None, thresholds={"dark": 0.5}).pipeline.choose(values).tolist() == [[0, 2, 1, 0]]
    both = opened(three, None, thresholds={"crack": 0.3, "dark": 0.4})
    assert both.pipeline.choose(values).tolist() == [[1, 2, 1, 2]]
    assert opened(three, None, thresholds={"crack": 0}).pipeline.choose(
        np.float32([[[1, 0, 0]]])
    ).tolist() == [[1]]
    assert values[0, 0, 0] == np.float32(0.5)  # what was given is left alone


def test_tiles_that_show_nothing_are_not_computed(info):
    seen = []

    def counting(images):
        seen.append(len(images))
        return brightness(images)

    model = opened(info, counting, tile=64, overlap=0)
    image = np.full((64, 320, 3), 255, np.uint8)
    valid = np.zeros((64, 320), bool)
    valid[5, 70] = valid[60, 319] = True
    (rows,) = model.pipeline.predict(ArraySource("a", image, valid))
    assert sum(seen) == 2
    assert np.array_equal(rows.mask == 255, ~valid)
    assert np.argwhere(rows.probabilities[..., 1]).tolist() == [[5, 70], [60, 319]]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"tile": -4}, "`tile=-4`: must be 1 or more"),
        ({"tile": 64, "overlap": 40}, "`overlap=40`: must be from 0 to half a tile, 32"),
        ({"overlap": -1}, "`overlap=-1`: must be 0 or more"),
        ({"thresholds": {"crack": 1.5}}, "must be from 0 to 1"),
    ],
)
def test_options_that_cannot_be_are_refused_at_once(options, match):
    with pytest.raises(ArgumentError, match=match):
        PredictOptions(**options)


def test_a_threshold_of_an_unknown_class_is_refused(trained):
    with pytest.raises(ArgumentError, match="no class 'crack'; it has background, foreground"):
        load_model(trained[0].path, options=PredictOptions(thresholds={"crack": 0.5}))


@given(st.integers(0, 9))
def test_of_two_classes_the_more_probable_is_given_and_the_first_of_equal_ones(info, seed):
    values = np.random.default_rng(seed).integers(0, 3, (6, 7, 2)).astype(np.float32)
    assert np.array_equal(opened(info, None).pipeline.choose(values), values.argmax(axis=-1))
