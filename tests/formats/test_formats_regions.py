import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import ndimage

from solarseg.errors import OutputError
from solarseg.formats.labels import Labelled
from solarseg.formats.regions import copy_image, regions, without_ignored

values = st.sampled_from([0, 0, 1, 2, 255])


@given(mask=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=12), elements=values))
@settings(deadline=None)
def test_regions_are_the_connected_components(mask: np.ndarray) -> None:
    together = np.zeros_like(mask)
    counts: dict[int, int] = {}
    for region in regions(mask):
        height, width = region.pixels.shape
        place = together[region.y : region.y + height, region.x : region.x + width]
        assert not place[region.pixels].any()
        place[region.pixels] = region.class_id
        counts[region.class_id] = counts.get(region.class_id, 0) + 1
        for side in (region.pixels[0], region.pixels[-1], region.pixels[:, 0], region.pixels[:, -1]):
            assert side.any()  # cropped as small as can be
    assert np.array_equal(together, mask)
    assert counts == {
        i: ndimage.label(mask == i, np.ones((3, 3)))[1] for i in np.unique(mask[mask > 0]).tolist()
    }


def test_ignored_pixels_are_counted_over_all_images(caplog: pytest.LogCaptureFixture) -> None:
    masks = [np.array([[0, 255, 255, 1]], np.uint8), np.array([[1]], np.uint8), np.array([[255]], np.uint8)]
    items = [Labelled("x", Path("x.png"), mask) for mask in masks]
    with caplog.at_level(logging.WARNING):
        written = [item.mask.tolist() for item in without_ignored(items, "COCO")]
    assert written == [[[0, 0, 0, 1]], [[1]], [[0]]]
    assert caplog.messages == ["3 ignored pixels of 2 images become background: COCO cannot say it"]
    assert masks[0][0, 1] == 255
    caplog.clear()
    assert len(list(without_ignored(items[1:2], "COCO"))) == 1
    assert not caplog.messages


def test_images_are_copied_byte_by_byte(tmp_path: Path) -> None:
    source = tmp_path / "a.b.JPG"
    Image.new("RGB", (3, 2)).save(source, "JPEG")
    item = Labelled("roof/a.b", source, np.zeros((2, 3), np.uint8))
    assert copy_image(item, tmp_path / "out", item.name) == "roof/a.b.JPG"
    assert (tmp_path / "out" / "roof" / "a.b.JPG").read_bytes() == source.read_bytes()
    with pytest.raises(OutputError, match=r"c\.png: could not be written"):
        copy_image(Labelled("c", tmp_path / "none.png", item.mask), tmp_path / "out", "c")
