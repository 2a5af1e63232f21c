import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solarseg.errors import ArgumentError, ImageError
from solarseg.preprocessing import Preprocessing, check_image_size, deepest


def prepare(bands=3, size=64, depth="uint8"):
    return Preprocessing(size, bands, depth, (0.5,) * bands, (0.2,) * bands)


@given(
    st.tuples(st.integers(1, 150), st.integers(1, 150)),
    st.sampled_from(["uint8", "uint16", "float32"]),
    st.sampled_from([1, 3, 5, 13]),
)
def test_any_image_becomes_the_square_the_network_takes(size, depth, bands):
    image = np.full((*size, bands), 7, dtype=depth)
    inputs = prepare(bands, depth=depth).to_input(image)
    assert inputs.shape == (64, 64, bands)
    assert inputs.dtype == depth
    assert np.allclose(inputs, 7, rtol=1e-6)


def test_an_image_of_the_right_size_is_left_alone():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert np.array_equal(prepare().to_input(image), image)


def test_shrinking_averages_over_areas():
    image = np.random.default_rng(0).integers(0, 256, (128, 128, 13), dtype=np.uint8)
    by_hand = image.reshape(64, 2, 64, 2, 13).mean(axis=(1, 3))
    assert np.abs(prepare(13).to_input(image) - by_hand).max() <= 0.5


def test_masks_take_the_nearest_id_at_pixel_centres():
    mask = np.arange(9, dtype=np.uint8).reshape(3, 3).repeat(64, axis=0).repeat(64, axis=1)
    # 192 -> 64: the centre of each 3x3 block is its middle pixel.
    assert np.array_equal(prepare().mask_to_input(mask), mask[1::3, 1::3])


def test_grey_and_rgb_are_turned_into_each_other():
    grey = np.full((64, 64, 1), 100, np.uint8)
    assert np.array_equal(prepare(3).to_input(grey), np.full((64, 64, 3), 100))
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 200
    assert prepare(1).to_input(red)[0, 0, 0] == round(200 * 0.299)


def test_depths_are_turned_into_each_other_over_their_whole_range():
    ends = np.array([[[0], [255]]], np.uint8)
    deep = prepare(1, depth="uint16").match(ends)
    assert deep.ravel().tolist() == [0, 65535]
    assert prepare(1).match(deep).ravel().tolist() == [0, 255]
    unit = np.array([[[0], [1]]], np.float32)
    assert prepare(1).match(unit).ravel().tolist() == [0, 255]


def test_numbers_of_unknown_scale_are_refused():
    with pytest.raises(ImageError, match=r"a\.tif: contains floats from 3 to 3, the model takes uint8"):
        prepare(1).to_input(np.full((8, 8, 1), 3, np.float32), "a.tif")
    with pytest.raises(ImageError, match=r"a\.png: contains integers, the model takes floats"):
        prepare(1, depth="float32").to_input(np.full((8, 8, 1), 3, np.uint8), "a.png")


def test_only_pixels_that_show_something_have_to_be_of_a_known_scale():
    image = np.full((8, 8, 1), 0.5, np.float32)
    image[:4] = -9999
    valid = image[..., 0] >= 0
    prepared = Preprocessing(32, 1, mean=(0.25,), std=(0.25,)).to_input(image, "a.tif", valid)
    assert (prepared[:12] == 64).all() and (prepared[20:] == 128).all()
    nothing = np.zeros((8, 8), bool)
    assert (Preprocessing(32, 1, mean=(0.25,), std=(0.25,)).to_input(image, "a.tif", nothing) == 64).all()
    with pytest.raises(ImageError, match=r"a\.tif: .*floats from -9999 to 0\.5"):
        prepare(1).to_input(image, "a.tif")


def test_floats_in_colour_become_floats_in_grey():
    colours = np.full((64, 64, 3), 0.4, np.float32)
    assert np.allclose(prepare(1, depth="float32").to_input(colours), 0.4)
    assert (prepare(1).to_input(colours) == 102).all()


def test_wrong_bands_name_file_and_both_numbers():
    with pytest.raises(ImageError, match=r"a\.tif: image has 13 bands, the model takes 3"):
        prepare(3).to_input(np.zeros((8, 8, 13), np.uint8), "a.tif")


def test_probabilities_are_resized_before_the_class_is_chosen():
    probabilities = np.zeros((2, 2, 2), np.float32)
    probabilities[:, 0, 1], probabilities[:, 1, 0] = 0.9, 1.0
    probabilities[..., 0] += 0.1 * (probabilities[..., 1] > 0)
    # Along the row p(class 1) falls from 0.9 to 0: at centres 0.25, 0.75, ... of 8 columns it is above one
    # half as long as 0.9 * (1 - t) > 0.5 with t running over (0, 0, .125, .375, .625, ...).
    mask = Preprocessing.from_output(probabilities, (1, 8)).argmax(axis=-1)
    assert mask.tolist() == [[1, 1, 1, 1, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("size", "near"), [(0, 32), (31, 32), (100, 96), (-32, 32), (4128, 4096), (2 * 10**9, 4096)]
)
def test_sizes_the_network_cannot_take_are_refused(size, near):
    with pytest.raises(ArgumentError, match=f"multiple of 32 from 32 to 4096, such as {near}$"):
        check_image_size(size)
    assert check_image_size(near) == near


def test_the_deepest_represents_all():
    assert deepest({"uint8"}) == "uint8"
    assert deepest({"uint8", "uint16"}) == "uint16"
    assert deepest({"uint16", "float32"}) == "float32"


def test_statistics_must_fit_the_bands():
    with pytest.raises(ArgumentError, match="4 bands"):
        Preprocessing(64, 4, "uint8", (0.5,) * 3, (0.2,) * 3)
    with pytest.raises(ArgumentError, match="above 0"):
        Preprocessing(64, 1, "uint8", (0.5,), (0.0,))


def test_a_strip_shrinks_along_one_side_and_grows_along_the_other():
    strip = np.random.default_rng(0).integers(0, 256, (32, 640, 1), dtype=np.uint8)
    inputs = prepare(1).to_input(strip).astype(float)
    columns = strip[..., 0].reshape(32, 64, 10).mean(axis=2)  # ten columns become one
    assert np.abs(inputs[..., 0].mean(axis=0) - columns.mean(axis=0)).max() < 1.5
    assert np.abs(np.diff(inputs[..., 0], axis=0)).mean() < np.abs(np.diff(columns, axis=0)).mean()


def test_bands_are_picked_from_images_that_have_them_all():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 5), dtype=np.uint8)
    picking = Preprocessing(64, 2, "uint8", (0.0,) * 2, (1.0,) * 2, picked=(3, 0), picked_from=5)
    assert np.array_equal(picking.to_input(image), image[..., [3, 0]])
    assert np.array_equal(picking.to_input(image[..., [3, 0]]), image[..., [3, 0]])
    with pytest.raises(ImageError, match="image has 4 bands, the model takes 2 of 5"):
        picking.to_input(image[..., :4])


@pytest.mark.parametrize(("picked", "picked_from"), [((0,), 5), ((0, 5), 5)])
def test_bands_that_cannot_be_picked_are_refused(picked, picked_from):
    with pytest.raises(ArgumentError, match="must be 2 of their bands"):
        Preprocessing(64, 2, "uint8", (0.0,) * 2, (1.0,) * 2, picked=picked, picked_from=picked_from)
