import numpy as np
import pytest
from scipy import ndimage

from solarseg.classes import ClassMap
from solarseg.errors import ArgumentError
from solarseg.prediction import overlay as module
from solarseg.prediction.overlay import overlay, side_by_side

CLASSES = ClassMap(("cell", "crack", "dead area"))


def pair(height, width, bands=1, dtype=np.uint8, seed=0):
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 255, (height, width, bands)).astype(dtype)
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 4 : width // 2] = 1
    mask[height // 2 :, width // 2 : width * 3 // 4] = 2
    return image, mask


@pytest.mark.parametrize(("size", "width"), [((60, 80), 1), ((900, 1100), 2)])
def test_background_is_exactly_the_image_except_for_outlines(size, width):
    image, mask = pair(*size, bands=3)
    shown = overlay(image, mask, CLASSES)
    far = ndimage.distance_transform_edt(mask == 0) > width * 1.5
    np.testing.assert_array_equal(shown[far], image[far])
    near = (mask == 0) & (ndimage.distance_transform_edt(mask == 0) <= width)
    assert set(np.unique(shown[near])) <= {0, 255}  # black or white


def test_inside_is_blended_by_alpha():
    image, mask = pair(60, 80, bands=3)
    for alpha in (0.0, 0.25, 0.45, 1.0):
        shown = overlay(image, mask, CLASSES, alpha)[45, 50]
        expected = (1 - alpha) * image[45, 50] + alpha * np.array(CLASSES.colours[2])
        assert np.abs(shown - expected).max() <= 0.5


@pytest.mark.parametrize("level", [0, 60, 128, 200, 255])
def test_outlines_show_on_dark_and_on_bright_images(level):
    image, mask = np.full((60, 80, 1), level, np.uint8), pair(60, 80)[1]
    shown = overlay(image, mask, ClassMap(tuple("abcdefgh")))
    border = shown[18, 18:22].astype(int)  # across the left border of the crack, at column 20
    assert np.abs(border - level).max() >= 100


def test_nothing_found_is_the_image_itself():
    image, mask = pair(20, 20, bands=3)
    np.testing.assert_array_equal(overlay(image, np.zeros_like(mask), CLASSES), image)


@pytest.mark.parametrize(
    ("bands", "dtype"), [(1, np.uint8), (2, np.uint16), (4, np.uint16), (13, np.float32)]
)
def test_any_depth_and_number_of_bands_and_inputs_stay(bands, dtype):
    image, mask = pair(70, 50, bands, dtype)
    before = image.copy(), mask.copy()
    for shown in (overlay(image, mask, CLASSES), side_by_side(image, mask, CLASSES)):
        assert shown.dtype == np.uint8
        assert shown.shape[2] == 3
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((256, 256), (512, 512)),
        ((300, 300), (600, 600)),
        ((60, 40), (480, 320)),
        ((600, 500), (600, 500)),
        ((3500, 7000), (990, 1980)),
        ((6000, 1000), (4000, 667)),
    ],
)
def test_image_and_overlay_are_side_by_side(size, shown):
    image, mask = pair(*size)
    page = side_by_side(image, mask, CLASSES)
    height, width = shown
    gap = max(4, max(shown) // 100)
    assert page.shape[1] == 2 * width + gap <= 4000
    assert (page[:height, width : width + gap] == 255).all()
    assert height + 20 < page.shape[0] < height + 150  # a legend of a line or two
    far = slice(0, height // 8)  # background
    np.testing.assert_array_equal(page[far, :width], page[far, width + gap :])


@pytest.mark.parametrize(
    ("size", "shown"), [((100, 300), (200, 600)), ((500, 3000), (500, 3000)), ((900, 9000), (400, 4000))]
)
def test_a_wide_image_is_above_its_overlay(size, shown):
    page = side_by_side(*pair(*size), CLASSES)
    assert page.shape[1] == shown[1]
    assert page.shape[0] > 2 * shown[0]


def test_a_thin_image_leaves_room_for_the_legend():
    assert side_by_side(*pair(400, 8), CLASSES).shape[1] == 320


def legend_texts(monkeypatch, mask):
    seen = []
    real = module.draw_legend

    def recorded(entries, *rest):
        seen.extend(string for _, string in entries)
        return real(entries, *rest)

    monkeypatch.setattr(module, "draw_legend", recorded)
    side_by_side(np.zeros((*mask.shape, 1), np.uint8), mask, CLASSES)
    return seen


def test_legend_names_the_classes_found_with_their_shares(monkeypatch):
    mask = np.zeros((100, 100), np.uint8)
    mask[:25, :10] = 2
    assert legend_texts(monkeypatch, mask) == ["dead area 2.5%"]
    mask[50:] = 1
    assert legend_texts(monkeypatch, mask)[-2:] == ["crack 50.0%", "dead area 2.5%"]


def test_shares_leave_ignored_pixels_out(monkeypatch):
    mask = np.full((10, 10), 255, np.uint8)
    mask[0] = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert legend_texts(monkeypatch, mask) == ["crack 10.0%"]


def test_legend_of_an_image_without_finds(monkeypatch):
    assert legend_texts(monkeypatch, np.zeros((10, 10), np.uint8)) == ["cell 100%"]


@pytest.mark.parametrize("function", [overlay, side_by_side])
def test_a_mask_of_another_size_is_refused(function):
    image, mask = pair(30, 40)
    with pytest.raises(ArgumentError, match=r"`mask`: has shape \(30, 39\)"):
        function(image, mask[:, :-1], CLASSES)
