import numpy as np
import pytest
from PIL import Image

from solarseg.classes import ClassMap
from solarseg.datasets import open_source
from solarseg.datasets.description import Description, write_description
from solarseg.errors import ArgumentError
from solarseg.images import write_mask
from solarseg.outputs.export import export

CLASSES = ClassMap(("background", "crack"))


def test_predictions_find_their_images_again_where_only_suffixes_differ(tmp_path):
    """`predict` calls a.jpg and a.png a_jpg and a_png."""
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.new("RGB", (16, 16), (200, 0, 0)).save(photos / "a.jpg")
    Image.new("RGB", (16, 16), (0, 200, 0)).save(photos / "a.png")
    for name, value in (("a_jpg", 0), ("a_png", 1)):
        write_mask(tmp_path / "found" / "masks" / f"{name}.png", np.full((16, 16), value, np.uint8), CLASSES)
    write_description(tmp_path / "found", Description(), CLASSES)
    assert export(tmp_path / "found", tmp_path / "out", "coco", images=photos).written == 2
    shown = {
        sample.name: (sample.mask.max(), sample.image[0, 0].argmax())
        for sample in open_source(tmp_path / "out")
    }
    assert shown == {"a_jpg": (0, 0), "a_png": (1, 1)}


@pytest.mark.parametrize("tolerance", [-1.0, float("nan"), float("inf")])
def test_tolerances_that_cannot_be(tolerance, squares, tmp_path):
    with pytest.raises(ArgumentError, match=r"--tolerance .*: must be a number of pixels, 0 or more"):
        export(squares, tmp_path / "out", "coco", tolerance=tolerance)
