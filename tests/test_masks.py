import io
import struct

import cv2
import numpy as np
import pytest
import rasterio
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from png_files import encode_png
from rasterio.transform import from_origin

from solarseg.classes import MAX_UNNAMED, ClassMap
from solarseg.datasets import open_dataset
from solarseg.datasets.folder import classes_of
from solarseg.errors import DatasetError, MaskError
from solarseg.images import read_image
from solarseg.masks import (
    check_mask_size,
    inspect_mask,
    mask_palette,
    read_mask,
    read_mask_colours,
    read_mask_values,
    spell_alike,
    write_mask,
)

RNG = np.random.default_rng(0)
REGION = np.zeros((24, 32), bool)
REGION[3:15, 5:20] = True
REGION[18:20, 2:30] = True
IDS = np.where(REGION, RNG.integers(1, 4, REGION.shape), 0).astype(np.uint8)
WHITE = REGION * np.uint8(255)
OPAQUE = np.full(REGION.shape, 255, np.uint8)
PAINT = RNG.integers(0, 256, REGION.shape).astype(np.uint8)  # what is under transparency
PANELS = ClassMap(("background", "panel"), values=(0, 255))
THRESHOLD = ClassMap(("background", "panel"), values=(0, 255), threshold=128)


def found(file):
    """Class ids by the classes that the file itself shows."""
    return read_mask(file, classes_of(file.parent, [inspect_mask(file)]))


def png_of(bits, colour_type, samples, **chunks):
    names = tuple((name.encode(), content) for name, content in chunks.items())
    return encode_png(np.asarray(samples).reshape(*REGION.shape, -1), bits, colour_type, chunks=names)


def saved(kind, mode, *bands, **options):
    """What Pillow writes of some bands."""
    held = io.BytesIO()
    pixels = np.stack(bands, axis=-1) if len(bands) > 1 else bands[0]
    picture = Image.fromarray(pixels)
    (picture if picture.mode == mode else picture.convert(mode)).save(held, kind, **options)
    return held.getvalue()


def in_tiff(pixels, **options):
    held = io.BytesIO()
    tifffile.imwrite(held, pixels, metadata=None, **options)
    return held.getvalue()


def quantised(kind, **options):
    """A palette file whose order of colours the writer chose, black first."""
    held = io.BytesIO()
    picture = Image.fromarray(REGION.astype(np.uint8), "P")
    picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.save(held, kind, **options)
    return held.getvalue()


# All show one region, white on black or on nothing.
ONE_REGION = {
    "png 1 bit": lambda: png_of(1, 0, REGION),
    "png 2 bits": lambda: png_of(2, 0, REGION),
    "png 4 bits": lambda: png_of(4, 0, REGION),
    "png 8 bits, 0 and 255": lambda: png_of(8, 0, WHITE),
    "png 8 bits, 0 and 1": lambda: png_of(8, 0, REGION),
    "png 16 bits, 0 and 1": lambda: png_of(16, 0, REGION),
    "png 16 bits, 0 and white": lambda: png_of(16, 0, REGION * 65535),
    "png palette 1 bit": lambda: png_of(1, 3, REGION, PLTE=bytes([0, 0, 0, 200, 0, 0])),
    "png palette 8 bits": lambda: png_of(8, 3, REGION, PLTE=bytes([0, 0, 0, 200, 0, 0])),
    "png grey in rgb": lambda: png_of(8, 2, np.repeat(WHITE[..., None], 3, axis=-1)),
    "png grey in rgb, 16 bits": lambda: png_of(16, 2, np.repeat(REGION[..., None] * 65535, 3, axis=-1)),
    # Painted on a transparent layer: the region is in the transparency alone, or hides other paint.
    "png la": lambda: png_of(8, 4, np.stack([OPAQUE, WHITE], axis=-1)),
    "png la over paint": lambda: png_of(8, 4, np.stack([np.where(REGION, 255, PAINT), WHITE], axis=-1)),
    "png la 16 bits": lambda: png_of(16, 4, np.stack([OPAQUE.astype(int) * 257, REGION * 65535], axis=-1)),
    "png rgba": lambda: png_of(8, 6, np.stack([OPAQUE, OPAQUE, OPAQUE, WHITE], axis=-1)),
    "png rgba over paint": lambda: png_of(
        8, 6, np.stack([np.where(REGION, 255, PAINT), OPAQUE, OPAQUE, WHITE], axis=-1)
    ),
    "png rgba 16 bits": lambda: png_of(16, 6, np.repeat(REGION[..., None] * 65535, 4, axis=-1)),
    "png rgba, opaque": lambda: png_of(8, 6, np.stack([WHITE, WHITE, WHITE, OPAQUE], axis=-1)),
    "png rgba, evenly faint": lambda: png_of(8, 6, np.stack([WHITE, WHITE, WHITE, OPAQUE // 3], axis=-1)),
    "png half opaque on nothing": lambda: png_of(8, 4, np.stack([OPAQUE, WHITE // 2], axis=-1)),
    "png 1 bit, black is clear": lambda: png_of(1, 0, REGION, tRNS=struct.pack(">H", 0)),
    "png 2 bits, 2 is clear": lambda: png_of(2, 0, np.where(REGION, 1, 2), tRNS=struct.pack(">H", 2)),
    "png 8 bits, 7 is clear": lambda: png_of(8, 0, np.where(REGION, 255, 7), tRNS=struct.pack(">H", 7)),
    "png 16 bits, 700 is clear": lambda: png_of(16, 0, np.where(REGION, 1, 700), tRNS=struct.pack(">H", 700)),
    "png rgb, a colour is clear": lambda: png_of(
        8, 2, np.where(REGION[..., None], 255, [9, 8, 7]), tRNS=struct.pack(">HHH", 9, 8, 7)
    ),
    "png palette, 3 is clear": lambda: png_of(
        2,
        3,
        np.where(REGION, 1, 3),
        PLTE=bytes([0, 0, 0, 255, 255, 255] + [9] * 6),
        tRNS=bytes([255, 255, 255, 0]),
    ),
    "gif": lambda: saved("GIF", "L", WHITE),
    "gif palette": lambda: quantised("GIF"),
    "gif, 0 is clear": lambda: quantised("GIF", transparency=0),
    "bmp 1 bit": lambda: saved("BMP", "1", WHITE),
    "bmp 8 bits": lambda: saved("BMP", "L", WHITE),
    "bmp 24 bits": lambda: saved("BMP", "RGB", WHITE),
    "bmp palette": lambda: quantised("BMP"),
    "webp": lambda: saved("WEBP", "RGB", WHITE, lossless=True),
    "webp with alpha": lambda: saved(
        "WEBP", "RGBA", OPAQUE, OPAQUE, OPAQUE, WHITE, lossless=True, exact=True
    ),
    "tiff 1 bit": lambda: in_tiff(REGION, photometric="minisblack"),
    "tiff 1 bit, 0 is white": lambda: in_tiff(~REGION, photometric="miniswhite"),
    "tiff 8 bits": lambda: in_tiff(WHITE),
    "tiff 8 bits, 0 is white": lambda: in_tiff(255 - WHITE, photometric="miniswhite"),
    "tiff 16 bits, 0 and 1": lambda: in_tiff(REGION.astype(np.uint16)),
    "tiff 16 bits, 0 and white": lambda: in_tiff(REGION * np.uint16(65535)),
    "tiff 16 bits, 0 is white": lambda: in_tiff(~REGION * np.uint16(65535), photometric="miniswhite"),
    "tiff int32": lambda: in_tiff(REGION.astype(np.int32)),
    "tiff float32": lambda: in_tiff(REGION.astype(np.float32)),
    "tiff palette": lambda: in_tiff(
        REGION.astype(np.uint8), photometric="palette", colormap=np.eye(3, 256, 1, dtype=np.uint16) * 65535
    ),
    "tiff grey in rgb": lambda: in_tiff(np.repeat(WHITE[..., None], 3, axis=-1), photometric="rgb"),
    "tiff grey in rgb, in planes": lambda: in_tiff(
        np.stack([WHITE] * 3), photometric="rgb", planarconfig="separate", compression="lzw"
    ),
    "tiff with alpha": lambda: in_tiff(
        np.stack([np.where(REGION, 255, PAINT).astype(np.uint8), WHITE], axis=-1),
        photometric="minisblack",
        planarconfig="contig",
        extrasamples=["unassalpha"],
    ),
    "tiff rgb with alpha in planes, 16 bits": lambda: in_tiff(
        np.stack([np.full(REGION.shape, 65535, np.uint16)] * 3 + [REGION * np.uint16(65535)]),
        photometric="rgb",
        planarconfig="separate",
        extrasamples=["assocalpha"],
    ),
    "tiff cmyk": lambda: saved("TIFF", "CMYK", WHITE, WHITE, WHITE),
    "tiff of pillow, 1 bit": lambda: saved("TIFF", "1", WHITE, compression="group4"),
}


@pytest.mark.parametrize("spelling", ONE_REGION)
def test_a_mask_is_what_a_viewer_shows(tmp_path, spelling):
    file = tmp_path / f"a.{spelling.split()[0]}"
    file.write_bytes(ONE_REGION[spelling]())
    assert np.array_equal(found(file), REGION)
    for named in (PANELS, ClassMap(("background", "panel"))):  # by dataset.yaml, in either spelling
        try:
            mask = read_mask(file, named)
        except MaskError as error:
            assert "unknown value" in str(
                error
            )  # ids of 8 bits and more are not white, and the other way round
        else:
            assert np.array_equal(mask, REGION)


@pytest.mark.parametrize("bits", [2, 4, 8, 16])
@pytest.mark.parametrize("colour_type", [0, 3])
def test_class_ids_of_any_depth(tmp_path, bits, colour_type):
    if (bits, colour_type) == (16, 3):
        pytest.skip("no such PNG")
    chunks = {"PLTE": bytes(3) + RNG.integers(1, 256, 9).astype(np.uint8).tobytes()} if colour_type else {}
    (tmp_path / "a.png").write_bytes(png_of(bits, colour_type, IDS, **chunks))
    assert np.array_equal(found(tmp_path / "a.png"), IDS)
    tifffile.imwrite(tmp_path / "a.tif", IDS.astype(f"uint{max(bits, 8)}"))
    assert np.array_equal(found(tmp_path / "a.tif"), IDS)


def test_masks_of_1_bit_and_of_8_bits_have_one_white(tmp_path, squares):
    for name in ("im03", "im07"):
        file = squares / "masks" / f"{name}.png"
        Image.open(file).convert("1").save(file)
    before = open_dataset(squares)
    assert before.classes.values == (0, 255)
    assert sorted(np.unique(before.read_mask("im03"))) == [0, 1]
    (squares / "dataset.yaml").write_text("classes: {0: background, 255: panel}\n")
    assert np.array_equal(open_dataset(squares).read_mask("im03"), before.read_mask("im03"))


def test_values_are_spelled_alike_only_where_that_makes_classes(tmp_path):
    for name, bits, samples in (("a", 1, REGION), ("b", 8, IDS)):
        (tmp_path / f"{name}.png").write_bytes(png_of(bits, 0, samples))
    looks = [inspect_mask(tmp_path / name) for name in ("a.png", "b.png")]
    assert [look.values for look in spell_alike(looks)] == [[0, 1], [0, 1, 2, 3]]


def test_what_was_rubbed_out_is_background_though_its_paint_is_there(tmp_path):
    layer = np.zeros((*REGION.shape, 4), np.uint8)
    layer[REGION] = (255, 0, 0, 255)
    layer[3:9, 5:20, 3] = 0
    Image.fromarray(layer).save(tmp_path / "a.png")
    visible = REGION.copy()
    visible[3:9, 5:20] = False
    colours = read_mask_colours(tmp_path / "a.png")
    assert np.array_equal(colours.clear, ~visible)
    assert (colours.colours[visible] == (255, 0, 0)).all()


def test_a_mask_that_shows_nothing_but_has_values_is_refused(tmp_path):
    Image.fromarray(np.stack([IDS, np.zeros_like(IDS)], axis=-1), "LA").save(tmp_path / "a.png")
    for read in (inspect_mask, read_mask_values, read_mask_colours):
        with pytest.raises(MaskError, match=r"a\.png: mask is wholly transparent, but has values"):
            read(tmp_path / "a.png")
    Image.new("LA", (32, 24)).save(tmp_path / "empty.png")
    assert not read_mask(tmp_path / "empty.png", PANELS).any()
    assert inspect_mask(tmp_path / "empty.png").values == [0]
    assert read_mask_colours(tmp_path / "empty.png").clear.all()


def soft(region):
    return cv2.GaussianBlur(region * np.uint8(255), (5, 5), 0)


def test_soft_edges_are_refused_or_split_at_the_threshold_that_is_named(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    Image.fromarray(PAINT).save(tmp_path / "images" / "a.png")
    Image.fromarray(soft(REGION)).save(tmp_path / "masks" / "a.png")
    with pytest.raises(DatasetError, match=r"grey levels between 0 and 255.*threshold: 128.*dataset\.yaml"):
        open_dataset(tmp_path)
    (tmp_path / "dataset.yaml").write_text("classes: {0: background, 255: panel}\n")
    count = int(((soft(REGION) > 0) & (soft(REGION) < 255)).sum())
    with pytest.raises(MaskError, match=rf"a\.png: .*\({count:,} pixels .*threshold: 128"):
        open_dataset(tmp_path).read_mask("a")
    for text in ("threshold: 128\n", "classes: {0: background, 255: panel}\nthreshold: 128\n"):
        (tmp_path / "dataset.yaml").write_text(text)
        expected = cv2.threshold(soft(REGION), 127, 1, cv2.THRESH_BINARY)[1]
        assert np.array_equal(open_dataset(tmp_path).read_mask("a"), expected)
    (tmp_path / "dataset.yaml").write_text("classes: [background, a, b]\nthreshold: 128\n")
    with pytest.raises(
        DatasetError, match=r"dataset\.yaml: threshold 128: must be 1 to 255, with two classes"
    ):
        open_dataset(tmp_path)


@pytest.mark.parametrize("quality", [95, 75, 40])
def test_jpeg_masks_are_refused_or_split(tmp_path, quality):
    Image.fromarray(WHITE).save(tmp_path / "a.jpg", quality=quality)
    with pytest.raises(
        MaskError, match=r"a\.jpg: has \d+ values, and JPEG changes .*PNG, or .*threshold: 128"
    ):
        inspect_mask(tmp_path / "a.jpg")
    assert np.array_equal(read_mask(tmp_path / "a.jpg", THRESHOLD), REGION)


def test_soft_transparency_is_refused_or_split(tmp_path):
    for name, grey in (("white", OPAQUE), ("paint", np.where(soft(REGION) > 0, 255, PAINT).astype(np.uint8))):
        file = tmp_path / f"{name}.png"
        Image.fromarray(np.stack([grey, soft(REGION)], axis=-1), "LA").save(file)
        with pytest.raises(MaskError, match=r"pixels that are partly transparent; .*threshold: 128"):
            inspect_mask(file)
        assert np.array_equal(read_mask(file, THRESHOLD), soft(REGION) >= 128)
        assert np.array_equal(read_mask_colours(file).clear, soft(REGION) < 127.5)


@pytest.mark.parametrize("kind", ["tif", "png"])
def test_a_threshold_is_of_the_brightness_that_is_shown(tmp_path, kind):
    levels = RNG.integers(0, 65536, (24, 32)).astype(np.uint16)
    if kind == "tif":
        tifffile.imwrite(tmp_path / "a.tif", 65535 - levels, photometric="miniswhite")
    else:
        cv2.imwrite(str(tmp_path / "a.png"), levels)
    assert np.array_equal(read_mask(tmp_path / f"a.{kind}", THRESHOLD), np.rint(levels / 257) >= 128)


def test_a_threshold_needs_grey_levels(tmp_path):
    picture = Image.fromarray(IDS, "P")
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    picture.save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", IDS.astype(np.int32))
    for name in ("a.png", "a.tif"):
        with pytest.raises(MaskError, match="no grey levels"):
            read_mask(tmp_path / name, THRESHOLD)


def test_dozens_of_values_are_no_classes_unless_they_are_named(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    values = np.arange(MAX_UNNAMED, dtype=np.uint8)
    for count, fits in ((MAX_UNNAMED, True), (MAX_UNNAMED + 1, False)):
        ids = np.arange(count, dtype=np.uint8)[None].repeat(3, axis=0)
        for kind in ("images", "masks"):
            Image.fromarray(ids).save(tmp_path / kind / "a.png")
        if fits:
            assert len(open_dataset(tmp_path).classes) == len(values)
        else:
            with pytest.raises(DatasetError, match=r"at most 20; name the classes in dataset\.yaml"):
                open_dataset(tmp_path)
            (tmp_path / "dataset.yaml").write_text(f"classes: [{', '.join(f'c{i}' for i in range(count))}]\n")
            assert np.array_equal(open_dataset(tmp_path).read_mask("a"), ids)


def test_a_palette_that_is_all_black_hides_nothing(tmp_path):
    picture = Image.fromarray(REGION.astype(np.uint8), "P")
    picture.putpalette(bytes(6))
    picture.save(tmp_path / "a.png")
    assert np.array_equal(found(tmp_path / "a.png"), REGION)
    with pytest.raises(MaskError, match="unknown value 1"):
        read_mask(tmp_path / "a.png", PANELS)


@pytest.mark.parametrize("colours", [[255, 0, 0, 0, 0, 0], [255, 255, 255, 0, 0, 0]])
def test_a_palette_whose_order_may_be_by_chance_is_refused(tmp_path, colours):
    picture = Image.fromarray(REGION.astype(np.uint8), "P")
    picture.putpalette(colours)
    picture.save(tmp_path / "a.png")
    with pytest.raises(MaskError, match=r"a\.png: black, number 1 of its palette, looks like the background"):
        inspect_mask(tmp_path / "a.png")
    named = ClassMap(("background", "panel"))
    assert np.array_equal(read_mask(tmp_path / "a.png", named), REGION)
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.save(tmp_path / "b.gif", transparency=1)
    with pytest.raises(MaskError, match=r"b\.gif: what is transparent looks like the background"):
        inspect_mask(tmp_path / "b.gif")


def test_palettes_of_tiffs_are_known(tmp_path):
    colours = RNG.integers(0, 256, (3, 256)).astype(np.uint16) * 257
    colours[:, 0] = 0
    tifffile.imwrite(tmp_path / "a.tif", IDS, photometric="palette", colormap=colours)
    assert mask_palette(tmp_path / "a.tif") == [tuple(row) for row in (colours.T >> 8).tolist()]
    assert inspect_mask(tmp_path / "a.tif").palette == mask_palette(tmp_path / "a.tif")
    assert np.array_equal(read_mask_colours(tmp_path / "a.tif").colours, (colours.T >> 8)[IDS])


@pytest.mark.parametrize(("nodata", "ignored"), [(0, False), (2, True), (255, True)])
def test_nodata_of_a_mask_is_ignored_and_0_is_background(tmp_path, nodata, ignored):
    values = np.where(REGION, 1, nodata).astype(np.uint8)
    profile = {"driver": "GTiff", "count": 1, "height": 24, "width": 32, "dtype": "uint8"}
    place = {"crs": "EPSG:32650", "transform": from_origin(3e5, 4e6, 0.1, 0.1)}
    with rasterio.open(tmp_path / "a.tif", "w", nodata=nodata, **profile, **place) as file:
        file.write(values, 1)
    mask = read_mask(tmp_path / "a.tif", ClassMap(("background", "panel")))
    assert np.array_equal(mask, np.where(REGION, 1, 255 if ignored else 0))


def test_numbers_that_are_not_finite_are_ignored(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.where(PAINT > 50, REGION, np.nan).astype(np.float32))
    assert np.array_equal(found(tmp_path / "a.tif"), np.where(PAINT > 50, REGION, 255))


@pytest.mark.parametrize(("georeferenced", "clear"), [(True, 255), (False, 0)])
def test_transparency_is_no_data_in_a_map_and_background_in_a_painting(tmp_path, georeferenced, clear):
    profile = {"driver": "GTiff", "count": 2, "height": 24, "width": 32, "dtype": "uint8", "alpha": "yes"}
    place = {"crs": "EPSG:32650", "transform": from_origin(3e5, 4e6, 0.1, 0.1)} if georeferenced else {}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, **place) as file:
        file.write(np.stack([WHITE, np.where(PAINT > 50, 255, 0).astype(np.uint8)]))
    assert np.array_equal(read_mask(tmp_path / "a.tif", PANELS), np.where(PAINT > 50, REGION, clear))


@pytest.mark.parametrize(
    ("pixels", "what"),
    [
        (RNG.random((24, 32)).astype(np.float32), "float32 numbers that are not whole"),
        (np.full((24, 32), 1e30, np.float32), "float32 numbers that are not whole"),
        (IDS.astype(np.int16) - 1, "unknown value -1"),
        (IDS.astype(np.int32) * 1000, "unknown value 1000"),
        (RNG.integers(0, 256, (24, 32, 3), dtype=np.uint8), "is a colour picture.*palette PNG"),
        (RNG.integers(0, 256, (24, 32, 7), dtype=np.uint8), "has 7 bands"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path, pixels, what):
    tifffile.imwrite(tmp_path / "a.tif", pixels, planarconfig="contig" if pixels.ndim == 3 else None)
    with pytest.raises(MaskError, match=rf"a\.tif: .*{what}"):
        read_mask(tmp_path / "a.tif", ClassMap(("background", "a", "b", "c")))


def test_damaged_and_missing_masks_are_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"nothing")
    for name, what in (("a.png", "no format that is known"), ("b.png", "no such file")):
        for read in (inspect_mask, read_mask_values, read_mask_colours, mask_palette):
            with pytest.raises(MaskError, match=rf"{name}: .*{what}"):
                read(tmp_path / name)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_masks_are_turned_as_their_images_are(tmp_path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    pixels = np.stack([IDS, np.where(PAINT > 50, 255, 0).astype(np.uint8)], axis=-1)
    Image.fromarray(pixels, "LA").save(tmp_path / "a.png", exif=exif)
    tag = (274, "H", 1, orientation, True)
    tifffile.imwrite(
        tmp_path / "a.tif", pixels, photometric="minisblack", extrasamples=["unassalpha"], extratags=[tag]
    )
    Image.fromarray(np.where(PAINT > 50, IDS, 0).astype(np.uint8)).save(tmp_path / "image.png", exif=exif)
    expected = read_image(tmp_path / "image.png")[..., 0]
    for name in ("a.png", "a.tif"):
        assert np.array_equal(read_mask_values(tmp_path / name), expected)


def test_sizes_that_differ_because_of_exif_say_so(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(PAINT).save(tmp_path / "turned.jpg", exif=exif)
    Image.fromarray(PAINT).save(tmp_path / "plain.png")
    turned, plain = tmp_path / "turned.jpg", tmp_path / "plain.png"
    sizes = {file: read_image(file).shape for file in (turned, plain)}
    with pytest.raises(
        MaskError, match=r"plain\.png: mask is 32 x 24 pixels, its image 24 x 32;.* turns the image"
    ):
        check_mask_size(turned, sizes[turned], plain, sizes[plain])
    with pytest.raises(MaskError, match=r"turned\.jpg: mask is 24 x 32 pixels, .*EXIF turns the mask"):
        check_mask_size(plain, sizes[plain], turned, sizes[turned])
    check_mask_size(turned, sizes[turned], turned, sizes[turned])
    with pytest.raises(MaskError, match=r"they must be equal$"):
        check_mask_size(plain, (32, 24), plain, (24, 32))
    with pytest.raises(MaskError, match=r"they must be equal$"):
        check_mask_size(turned, sizes[turned], plain, (10, 10))


@settings(max_examples=25)
@given(mask=arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.integers(0, 2)))
def test_masks_come_back_as_written(tmp_path_factory, mask):
    path = tmp_path_factory.mktemp("masks") / "m.png"
    classes = ClassMap(("background", "crack", "hole"))
    write_mask(path, mask, classes)
    assert np.array_equal(read_mask_values(path), mask)
    assert np.array_equal(read_mask(path, classes), mask)
    assert mask_palette(path)[:3] == list(classes.colours)
    shown = np.asarray(Image.open(path).convert("RGB"))
    assert np.array_equal(shown, np.array(classes.colours, np.uint8)[mask])


@pytest.mark.parametrize("ignored", [True, False])
def test_a_mask_with_ignored_pixels_comes_back_as_written(tmp_path, ignored):
    classes = ClassMap(("background", "crack", "busbar"), ignore=True)
    mask = np.random.default_rng(0).choice(np.array([0, 1, 2, 255 if ignored else 0], np.uint8), (9, 13))
    write_mask(tmp_path / "mask.png", mask, classes)
    assert np.array_equal(read_mask_values(tmp_path / "mask.png"), mask)
    assert np.array_equal(read_mask(tmp_path / "mask.png", classes), mask)
    assert tuple(mask_palette(tmp_path / "mask.png")[:3]) == classes.colours
