import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from solarseg.errors import DatasetError, MaskError
from solarseg.formats.annotations import class_map, decode_region_png, find_inside

parts = st.sampled_from(["a", "b.png", "..", ".", "", "C:", "\0", "..."])
names = st.builds(
    lambda start, between, pieces: start + between.join(pieces),
    st.sampled_from(["", "/", "\\", "//", "C:\\"]),
    st.sampled_from(["/", "\\"]),
    st.lists(parts, min_size=1, max_size=6),
)


@given(name=names, root=st.sampled_from(["data", ".", "../data", "/data", "x/../data"]), below=st.booleans())
def test_names_stay_within_their_folder(name: str, root: str, below: bool) -> None:
    folder = Path(root) / "sub" if below else Path(root)
    expected = os.path.normpath(os.path.join(os.path.abspath(folder), name.replace("\\", "/")))  # noqa: PTH100, PTH118
    inside = expected.startswith(os.path.abspath(root) + "/") and not name.startswith(("/", "\\"))  # noqa: PTH100
    if not inside or name.startswith("C:") or "\0" in name:
        with pytest.raises(DatasetError, match=r"x: .* leads out of the folder"):
            find_inside(name, folder, Path(root), "x")
    else:
        found = find_inside(name, folder, Path(root), "x")
        assert os.path.abspath(found) == expected  # noqa: PTH100
        assert ".." not in found.relative_to(root).parts


@pytest.mark.parametrize("name", ["a" * 256, "é" * 128, "sub/" + "a" * 300 + "/b.png", "a/" * 3000 + "b"])
def test_names_that_no_file_can_have_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(OSError, match="File name too long"):
        (tmp_path / name).stat()
    with pytest.raises(
        DatasetError, match=r"^x: '.{40}\.\.\.' is longer than names of files can be; shorten it"
    ):
        find_inside(name, tmp_path, tmp_path, "x")
    assert find_inside("a" * 255, tmp_path, tmp_path, "x") == tmp_path / ("a" * 255)


def test_backgrounds_become_class_0_with_its_colour() -> None:
    colours = {"b": (1, 1, 1), "_BackGround_": (2, 2, 2), "a": (3, 3, 3), "background": (4, 4, 4)}
    classes, ids = class_map(["b", "_BackGround_", "a", "b", "background"], Path("x"), colours=colours)
    assert classes.names == ("background", "b", "a")
    assert classes.colours == ((2, 2, 2), (1, 1, 1), (3, 3, 3))
    assert ids == {"_BackGround_": 0, "background": 0, "b": 1, "a": 2}
    assert not classes.ignore


def test_what_is_no_png_and_pngs_that_are_too_large_are_refused() -> None:
    content = io.BytesIO()
    Image.fromarray(np.ones((4, 5), np.uint8)).save(content, "BMP")
    with pytest.raises(MaskError, match="x: mask is no PNG that can be read"):
        decode_region_png(content.getvalue(), (9, 9), "x")
    header = b"IHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 1, 0, 0, 0, 0)  # 3.6 gigapixels
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    with pytest.raises(MaskError, match="x: mask is"):
        decode_region_png(bomb + struct.pack(">I", 0) + b"IDAT", (9, 9), "x")


def test_bitmaps_may_be_as_large_as_images(monkeypatch: pytest.MonkeyPatch) -> None:
    content = io.BytesIO()
    Image.fromarray(np.eye(20, dtype=bool)).save(content, "PNG")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow refuses twice as many
    with pytest.raises(Image.DecompressionBombError):
        Image.open(content)
    assert np.array_equal(decode_region_png(content.getvalue(), (20, 20), "x"), np.eye(20, dtype=bool))
    with pytest.raises(MaskError, match="mask is 20 x 20 pixels, more than its image of 20 x 19"):
        decode_region_png(content.getvalue(), (19, 20), "x")


def test_every_kind_of_png_says_which_pixels() -> None:
    region = np.array([[0, 1, 1], [1, 0, 0]], bool)
    grey = Image.fromarray(region.astype(np.uint8))
    opaque = np.dstack([np.full((2, 3, 3), 7, np.uint8), region.astype(np.uint8)])
    for picture in (
        grey,
        Image.fromarray(region),
        Image.fromarray(region.astype(np.uint16) << 12),
        Image.fromarray(np.dstack([region * 255] * 3).astype(np.uint8)),
        Image.fromarray(opaque),
        Image.fromarray(opaque[..., 2:]),
    ):
        content = io.BytesIO()
        picture.save(content, "PNG")
        assert np.array_equal(decode_region_png(content.getvalue(), (2, 3), "x"), region), picture.mode
