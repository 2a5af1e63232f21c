import io
import itertools
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import rasterio
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from rasterio.enums import ColorInterp

import solarseg.decoding.guards
from solarseg.decoding import tiff
from solarseg.decoding.guards import guarded
from solarseg.decoding.tiff import RowDecoder, open_tiff
from solarseg.errors import ImageError
from solarseg.images import read_image, read_pages, read_picture

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 30), dtype=np.uint8)
RGB = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
DEEP = RNG.integers(0, 65536, (20, 30, 4), dtype=np.uint16)
STACK = RNG.integers(0, 256, (5, 20, 30), dtype=np.uint8)
SMOOTH = np.add.outer(np.arange(64), np.arange(48)).astype(np.uint8)


def write(path: Path, pixels: np.ndarray, **options) -> Path:
    tifffile.imwrite(path, pixels, **options)
    return path


def by_hand(tags: dict[int, tuple[int, ...]], data: bytes = b"", following: int = 0) -> bytes:
    """A TIFF of one directory, behind the data, with whatever its tags say: ``code: (type, value, ...)``."""
    place = 8 + len(data)
    entries, extra = b"", b""
    after = place + 2 + 12 * len(tags) + 4
    for code, (kind, *values) in sorted(tags.items()):
        packed = b"".join(struct.pack({3: "<H", 4: "<I"}[kind], value) for value in values)
        if len(packed) > 4:
            offset = struct.pack("<I", after + len(extra))
            extra += packed
        else:
            offset = packed.ljust(4, b"\0")
        entries += struct.pack("<HHI", code, kind, len(values)) + offset
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", place) + data + directory + extra


def grey_tags(width: int = 16, height: int = 8, **changed: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
    usual = {
        256: (4, width),
        257: (4, height),
        258: (3, 8),
        259: (3, 1),
        262: (3, 1),
        273: (4, 8),
        277: (3, 1),
        278: (4, height),
        279: (4, 128),
    }
    return usual | {int(code.removeprefix("tag")): value for code, value in changed.items()}


def decode(content: bytes) -> np.ndarray:
    with guarded("a.tif"), tiff.open_tiff(io.BytesIO(content), "a.tif") as file:
        return tiff.read_samples(file, "a.tif")


# Pages: pictures, bands, smaller copies and masks.


@pytest.mark.parametrize(
    "options",
    [
        {"photometric": "minisblack"},
        {"photometric": "minisblack", "metadata": None},
        {"imagej": True},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"imagej": True, "metadata": {"axes": "TYX"}},
        {"ome": True, "metadata": {"axes": "ZYX"}, "photometric": "minisblack"},
        {"ome": True, "metadata": {"axes": "TYX"}, "photometric": "minisblack"},
        {"volumetric": True, "photometric": "minisblack", "tile": (16, 16, 16)},
        {"truncate": True, "photometric": "minisblack"},
    ],
)
def test_stacks_are_refused(tmp_path, options):
    file = write(tmp_path / "a.tif", STACK, **options)
    with pytest.raises(ImageError, match=r"a\.tif: a (stack of 5 pictures|volume of 5 slices)"):
        read_image(file)


def test_pages_of_different_sizes_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GREY, metadata=None)
        file.write(GREY[:11], metadata=None)
    with pytest.raises(ImageError, match=r"a\.tif: a stack of 2 pictures"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "options",
    [
        {"ome": True, "metadata": {"axes": "CYX"}, "photometric": "minisblack"},
        {"imagej": True, "metadata": {"axes": "CYX", "mode": "composite"}},
        {"photometric": "minisblack", "planarconfig": "separate"},
    ],
)
def test_channels_are_bands_whether_in_one_page_or_in_several(tmp_path, options):
    file = write(tmp_path / "a.tif", STACK, **options)
    assert np.array_equal(read_image(file), STACK.transpose(1, 2, 0))


def test_smaller_copies_and_masks_are_no_pictures(tmp_path):
    file = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "count": 1, "height": 64, "width": 48, "dtype": "uint8", "nodata": 0}
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(file, "w", **profile) as opened:
        opened.write(SMOOTH[None])
        opened.write_mask(np.full((64, 48), 255, np.uint8))
        opened.build_overviews([2, 4])
    assert np.array_equal(read_image(file)[..., 0], SMOOTH)
    with tifffile.TiffWriter(tmp_path / "preview.tif") as writer:  # does not say that it is one
        writer.write(SMOOTH, metadata=None)
        writer.write(SMOOTH[::4, ::4], metadata=None)
    assert np.array_equal(read_image(tmp_path / "preview.tif")[..., 0], SMOOTH)


def test_all_pages_are_read_on_request(tmp_path):
    assert np.array_equal(
        read_pages(write(tmp_path / "a.tif", STACK, photometric="minisblack"))[..., 0], STACK
    )
    with pytest.raises(ImageError, match=r"none\.tif: no such file"):
        read_pages(tmp_path / "none.tif")


def test_metadata_open_no_other_file(tmp_path, monkeypatch):
    secret = write(tmp_path / "secret.ome.tif", np.full((2, 20, 30), 99, np.uint8), ome=True)
    write(tmp_path / "a.ome.tif", STACK[:2], ome=True, metadata={"axes": "ZYX"})
    content = (tmp_path / "a.ome.tif").read_bytes()
    assert b"FileName" not in content
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        text = file.pages.first.description
    uuid = text.split('UUID="')[1].split('"')[0]
    named = text.replace(
        '<TiffData IFD="0"',
        f'<TiffData IFD="0"><UUID FileName="{secret.name}">{uuid}</UUID></TiffData><TiffData IFD="0"',
    )
    write(tmp_path / "evil.ome.tif", STACK[0], description=named.encode(), metadata=None)
    opened = []
    original = tifffile.TiffFile.__init__
    monkeypatch.setattr(
        tifffile.TiffFile,
        "__init__",
        lambda self, file, *args, **options: (
            opened.append(str(file)),
            original(self, file, *args, **options),
        )[1],
    )
    assert np.array_equal(read_image(tmp_path / "evil.ome.tif")[..., 0], STACK[0])
    assert opened == [str(tmp_path / "evil.ome.tif")]


# Samples: depth, layout, compression.


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8, 10, 12, 14, 16])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_levels_of_any_depth_fill_the_range_of_their_dtype(tmp_path, bits, photometric):
    levels = RNG.integers(0, 2**bits, (20, 30)).astype(np.uint8 if bits <= 8 else np.uint16)
    packed = imagecodecs.packints_encode(levels, bits, runlen=30) if bits not in (8, 16) else levels.tobytes()
    tags = grey_tags(30, 20, tag258=(3, bits), tag279=(4, len(packed)))
    tags[262] = (3, int(photometric == "minisblack"))
    (tmp_path / "a.tif").write_bytes(by_hand(tags, packed))
    image = read_image(tmp_path / "a.tif")[..., 0]
    top = np.iinfo(image.dtype).max
    expected = np.rint(levels / (2**bits - 1) * top)
    assert np.array_equal(image, expected if photometric == "minisblack" else top - expected)
    if bits in (1, 2, 4, 8, 16):  # what Pillow reads, too
        with Image.open(tmp_path / "a.tif") as picture:
            shown = np.asarray(picture).astype(np.float64)
        shown *= top if picture.mode == "1" else 1
        # Pillow leaves 16-bit levels whose 0 is white as they are.
        assert np.array_equal(image, shown if bits < 16 or photometric == "minisblack" else top - shown)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
@pytest.mark.parametrize(
    "compression", [None, "lzw", "zlib", "packbits", "zstd", "lzma", "lerc", "webp", "jpeg2000", "jpeg"]
)
def test_compressions_and_layouts(tmp_path, compression, tile, planar):
    pixels = RGB if planar == "contig" else RGB.transpose(2, 0, 1)
    options = {"compressionargs": {"lossless": True}} if compression == "webp" else {}
    if compression == "webp" and planar == "separate":
        pytest.skip("WebP has no single channels")
    file = write(
        tmp_path / "a.tif",
        pixels,
        photometric="rgb",
        planarconfig=planar,
        compression=compression,
        tile=tile,
        rowsperstrip=None if tile else 7,
        **options,
    )
    found = read_image(file)
    if compression == "jpeg":
        with Image.open(file) as picture:
            assert np.abs(found.astype(int) - np.asarray(picture.convert("RGB"))).max() <= 3
    else:
        assert np.array_equal(found, RGB)


@pytest.mark.parametrize("bits", [8, 16])
def test_gdal_reads_the_same(tmp_path, bits):
    pixels = (DEEP >> (16 - bits)).astype(f"uint{bits}")
    profile = {"driver": "GTiff", "count": 4, "height": 20, "width": 30, "dtype": f"uint{bits}"}
    for name, options in {
        "pixel": {"interleave": "pixel", "compress": "deflate", "predictor": 2},
        "band": {"interleave": "band", "tiled": True, "blockxsize": 16, "blockysize": 16},
        "big": {"BIGTIFF": "YES", "compress": "lzw", "endianness": "big"},
    }.items():
        with rasterio.open(
            tmp_path / f"{name}.tif", "w", photometric="minisblack", **profile, **options
        ) as file:
            file.write(pixels.transpose(2, 0, 1))
        assert np.array_equal(read_image(tmp_path / f"{name}.tif"), pixels)


@pytest.mark.parametrize(
    ("kinds", "bands"),
    [
        (["unassalpha"], [0, 1, 2]),
        (["assocalpha"], [0, 1, 2]),
        (["unspecified"], [0, 1, 2, 3]),
        (["unassalpha", "unspecified"], [0, 1, 2, 4]),
        (["unspecified", "unassalpha"], [0, 1, 2, 3]),
        (["unspecified", "unspecified"], [0, 1, 2, 3, 4]),
    ],
)
def test_extra_samples_are_bands_but_for_transparency(tmp_path, kinds, bands):
    pixels = RNG.integers(1, 256, (20, 30, 3 + len(kinds)), dtype=np.uint8)
    pixels[3, 4] = 0
    file = write(tmp_path / "a.tif", pixels, photometric="rgb", planarconfig="contig", extrasamples=kinds)
    picture = read_picture(file)
    assert np.array_equal(picture.pixels, pixels[..., bands])
    if len(bands) < pixels.shape[-1]:
        assert np.argwhere(~picture.valid).tolist() == [[3, 4]]
    else:
        assert picture.valid is None


def test_palettes_count_where_the_file_says_that_samples_point_to_them(tmp_path):
    colours = RNG.integers(0, 65536, (3, 256), dtype=np.uint16)
    file = write(tmp_path / "a.tif", GREY, photometric="palette", colormap=colours)
    assert np.array_equal(read_image(file), (colours >> 8).astype(np.uint8).T[GREY])
    with Image.open(file) as picture:
        assert np.array_equal(read_image(file), np.asarray(picture.convert("RGB")))
    tag = (320, "H", 768, colours.ravel().tolist(), True)
    assert np.array_equal(read_image(write(tmp_path / "b.tif", GREY, extratags=[tag]))[..., 0], GREY)


# Colour spaces.


@pytest.mark.parametrize("mode", ["LAB", "YCbCr", "CMYK"])
def test_colour_spaces_become_rgb_as_pillow_shows_them(tmp_path, mode):
    picture = Image.fromarray(RGB).resize((90, 60), Image.Resampling.BICUBIC)
    for name, options in {
        "plain": {},
        "lzw": {"compression": "tiff_lzw"},
        "jpeg": {"compression": "jpeg"},
    }.items():
        if (name, mode) == ("jpeg", "LAB"):
            continue
        file = tmp_path / f"{name}.tif"
        picture.convert(mode).save(file, **options)
        with Image.open(file) as written:
            shown = np.asarray(written.convert("RGB")).astype(int)
        found = read_image(file)
        assert found.shape == (60, 90, 3)
        assert np.abs(found - shown).max() <= (6 if name == "jpeg" else 1)  # their decoders round differently


def test_cmyk_of_16_bits_and_in_planes(tmp_path):
    ink = DEEP / 65535
    expected = (1 - ink[..., :3]) * (1 - ink[..., 3:]) * 65535
    for name, pixels, planar in (("a", DEEP, "contig"), ("b", DEEP.transpose(2, 0, 1), "separate")):
        file = write(tmp_path / f"{name}.tif", pixels, photometric="separated", planarconfig=planar)
        assert np.abs(read_image(file) - expected).max() <= 0.51


def test_both_ways_to_store_cielab_show_the_same(tmp_path):
    signed = np.asarray(Image.fromarray(RGB).convert("LAB"))
    shifted = signed ^ np.array([0, 128, 128], np.uint8)  # a and b start at -128
    found = [
        read_image(write(tmp_path / f"{kind}.tif", pixels, photometric=kind))
        for kind, pixels in (("icclab", shifted), ("cielab", signed))
    ]
    assert np.array_equal(*found)
    assert np.abs(found[0].astype(int) - RGB).mean() < 5  # saturated noise does not come back exactly


@pytest.mark.parametrize(
    ("pixels", "options", "what"),
    [
        (DEEP[..., :3], {"photometric": "cielab"}, "CIELAB of 16 bits"),
        (DEEP[..., :3], {"photometric": "ycbcr"}, "YCbCr of 16 bits"),
        (GREY, {"photometric": "cfa"}, "raw data of a sensor"),
        (RGB, {"photometric": "logluv"}, "LOGLUV"),
        (np.tile(RGB, 2), {"photometric": "separated", "extrasamples": [0, 0]}, "CMYK of 6 channels"),
        (DEEP, {"photometric": "separated", "extratags": [(332, "H", 1, 2, True)]}, "inks other than CMYK"),
        (
            RGB,
            {
                "photometric": "ycbcr",
                "extratags": [(532, "2I", 6, (16, 1, 235, 1, 128, 1, 240, 1, 128, 1, 240, 1))],
            },
            "reference levels of its own",
        ),
        (RGB.astype(np.complex64)[..., 0], {}, "samples of 64 bits"),
    ],
)
def test_other_colour_spaces_are_refused_by_name(tmp_path, pixels, options, what):
    file = write(tmp_path / "a.tif", pixels, **options)
    with pytest.raises(ImageError, match=rf"a\.tif: .*{what}"):
        read_image(file)


# Files that are damaged, or made to be.


@pytest.mark.parametrize("following", [134, 262, 390])
def test_directories_that_never_end_are_refused(following):
    # Three directories; the last says that one of them, or itself, comes next.
    data = bytes(range(128))
    tags = grey_tags(tag273=(4, 8 + 3 * 114))
    first = by_hand(tags)[8:]
    assert len(first) == 114
    chain = [8, 122, 236]
    for back in chain:
        content = b"II*\0" + struct.pack("<I", 8)
        for place, nxt in zip(chain, (122, 236, back), strict=True):
            assert len(content) == place
            content += first[:-4] + struct.pack("<I", nxt)
        with pytest.raises(ImageError, match=r"a\.tif: its TIFF directories form a circle"):
            decode(content + data)


def test_one_directory_that_names_itself_is_refused():
    content = by_hand(grey_tags(), bytes(128), following=8 + 128)
    with pytest.raises(ImageError, match="form a circle"):
        decode(content)


@pytest.mark.parametrize("count", [0, 5000, 65535])
def test_directories_without_tags_or_with_thousands_are_damaged(count):
    content = bytearray(by_hand(grey_tags(), bytes(128)))
    content[136:138] = struct.pack("<H", count)
    with pytest.raises(ImageError, match=r"a\.tif: .*(directory is damaged|number of tags)"):
        decode(bytes(content))


def test_thousands_of_pages_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for _ in range(1001):
            file.write(GREY[:2, :2], metadata=None)
    with pytest.raises(ImageError, match="more than 1000 pages"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"width": 0}, "0 x 8 pixels"),
        ({"height": 0}, "16 x 0 pixels"),
        ({"width": 2**31, "height": 2**31}, "split it into tiles"),
        ({"height": 10_000_000, "tag278": (4, 1)}, "needs 10,000,000 strips or tiles and lists 1"),
        ({"tag322": (4, 1), "tag323": (4, 1)}, "needs 128 strips or tiles and lists 1"),
        ({"tag322": (4, 2**30), "tag323": (4, 2**30)}, "claims .* bytes of pixels"),
        ({"width": 20_000, "height": 20_000}, "claims 400,000,000 bytes of pixels"),
        ({"width": 20_000, "height": 20_000, "tag259": (3, 8)}, "claims 400,000,000 bytes of pixels"),
        ({"tag273": (4, 0), "tag279": (4, 0)}, "without pixels"),
        ({"tag273": (4, 0)}, "truncated or damaged"),
        ({"tag279": (4, 0)}, "truncated or damaged"),
        ({"tag273": (4, 10**9)}, "failed to read"),
        ({"tag259": (3, 8), "tag273": (4, 10**9)}, "truncated or damaged"),
        ({"tag259": (3, 6)}, "compressed as OJPEG"),
        ({"tag259": (3, 12345)}, "compressed as 12345"),
        ({"tag258": (3, 5, 6, 5), "tag277": (3, 3)}, "bits of this kind"),
        ({"tag258": (3, 100)}, "samples of 100 bits"),
        ({"tag277": (3, 60_000), "tag258": (3, 8)}, "failed to read|truncated|claims|reshape"),
    ],
)
def test_claims_that_cannot_be_true_are_refused(changed, what):
    with pytest.raises(ImageError, match=rf"a\.tif: .*({what})"):
        decode(by_hand(grey_tags(**changed), bytes(128)))


def test_tiles_may_not_be_larger_inside_than_outside(tmp_path):
    large = imagecodecs.jpeg_encode(np.zeros((4000, 4000), np.uint8))
    tags = grey_tags(
        16, 16, tag259=(3, 7), tag322=(4, 16), tag323=(4, 16), tag324=(4, 8), tag325=(4, len(large))
    )
    for code in (273, 278, 279):
        del tags[code]
    with pytest.raises(ImageError, match="4000 x 4000 pixels where 16 x 16 are allowed"):
        decode(by_hand(tags, large))
    tags[259] = (3, 50001)
    large = imagecodecs.webp_encode(np.zeros((4000, 4000, 3), np.uint8), lossless=True)
    tags |= {325: (4, len(large)), 277: (3, 3), 258: (3, 8, 8, 8), 262: (3, 2)}
    with pytest.raises(ImageError, match="4000 x 4000 pixels where 16 x 16 are allowed"):
        decode(by_hand(tags, large))


def test_blank_files_are_not_taken_for_false_claims(tmp_path, monkeypatch):
    monkeypatch.setattr(solarseg.decoding.guards, "_ALWAYS_ALLOWED", 0)
    blank = np.zeros((2000, 2000), np.uint8)
    for compression in (None, "lzw", "zlib", "packbits", "zstd", "lzma", "jpeg", "webp", "jpeg2000", "lerc"):
        for tile in (None, (256, 256)):
            pixels = blank if compression != "webp" else np.repeat(blank[..., None], 3, axis=-1)
            options = {"compression": compression, "tile": tile, "metadata": None}
            assert not read_image(write(tmp_path / "a.tif", pixels, **options)).any()


def test_tiles_that_gdal_left_out_are_read_as_nodata(tmp_path):
    file = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "count": 1, "height": 64, "width": 64, "dtype": "uint8", "sparse_ok": True}
    with rasterio.open(file, "w", tiled=True, blockxsize=16, blockysize=16, nodata=7, **profile) as opened:
        opened.write(np.full((16, 16), 99, np.uint8), 1, window=((16, 32), (0, 16)))
    picture = read_picture(file)
    expected = np.zeros((64, 64), bool)
    expected[16:32, :16] = True
    assert np.array_equal(picture.valid, expected)
    assert (picture.pixels[expected] == 99).all()
    with rasterio.open(tmp_path / "b.tif", "w", **profile):
        pass
    with pytest.raises(ImageError, match=r"b\.tif: a TIFF without pixels"):
        read_image(tmp_path / "b.tif")


@pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", "zstd", "jpeg", "webp"])
def test_damaged_strips_are_refused_or_read_but_never_filled(tmp_path, compression):
    pixels = np.repeat(SMOOTH[..., None], 3, axis=-1)
    file = write(tmp_path / "a.tif", pixels, photometric="rgb", compression=compression, rowsperstrip=16)
    with tifffile.TiffFile(file) as opened:
        offset, count = opened.pages.first.dataoffsets[-1], opened.pages.first.databytecounts[-1]
    content = bytearray(file.read_bytes())
    content[offset + count // 2 : offset + count] = bytes(count - count // 2)
    file.write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.tif"):
        read_image(file)


def test_damaged_jpeg_tables_are_refused(tmp_path):
    file = tmp_path / "a.tif"
    Image.fromarray(SMOOTH).save(file, compression="jpeg")
    with tifffile.TiffFile(file) as opened:
        tag = opened.pages.first.tags[347]
        start, size = tag.valueoffset, tag.count
    content = bytearray(file.read_bytes())
    content[start + 20 : start + size] = bytes(size - 20)
    file.write_bytes(content)
    with pytest.raises(ImageError, match=r"a\.tif: damaged JPEG data"):
        read_image(file)


def test_content_counts_and_not_the_suffix(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.tif")
    write(tmp_path / "b.tif", RGB, photometric="rgb").rename(tmp_path / "b.png")
    for name in ("a.tif", "b.png"):
        assert np.array_equal(read_image(tmp_path / name), RGB)


def test_alpha_of_gdal_is_transparency(tmp_path):
    profile = {"driver": "GTiff", "count": 2, "height": 20, "width": 30, "dtype": "uint8", "alpha": "yes"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile) as file:
        file.write(np.stack([GREY, (GREY > 100) * np.uint8(255)]))
        assert file.colorinterp[1] is ColorInterp.alpha
    picture = read_picture(tmp_path / "a.tif")
    assert np.array_equal(picture.pixels[..., 0], GREY)
    assert np.array_equal(picture.valid, GREY > 100)


@settings(max_examples=30)
@given(
    st.sampled_from(
        [{}, {"tile": (16, 32)}, {"rowsperstrip": 7}, {"tile": (16, 16), "planarconfig": "separate"}]
    ),
    st.lists(st.integers(0, 60), min_size=2, max_size=6),
)
def test_rows_are_those_of_the_whole_page(layout, edges):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 50, 3), np.uint8)
    stored = pixels.transpose(2, 0, 1) if "planarconfig" in layout else pixels
    content = io.BytesIO()
    tifffile.imwrite(content, stored, photometric="rgb", compression="lzw", **layout)
    content.seek(0)
    with open_tiff(content, "a.tif") as file:
        rows = RowDecoder(file, "a.tif")
        for top, bottom in map(sorted, itertools.pairwise(edges)):
            assert np.array_equal(rows.read(top, bottom), pixels[top:bottom])
