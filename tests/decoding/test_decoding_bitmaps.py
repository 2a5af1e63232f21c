import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image
from png_files import encode_chunk, encode_png

import solarseg.decoding.guards
from solarseg.decoding.bitmaps import bitmap_orientation, decode_bitmap, decode_levels
from solarseg.decoding.guards import guarded
from solarseg.errors import ImageError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (9, 13), dtype=np.uint8)
RGB = RNG.integers(0, 256, (9, 13, 3), dtype=np.uint8)
PALETTE = RNG.integers(0, 256, (16, 3), dtype=np.uint8)


def encode(picture, kind, **options):
    held = io.BytesIO()
    picture.save(held, kind, **options)
    return held.getvalue()


def by_opencv(content):
    found = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    return found[..., 2::-1] if found.ndim == 3 else found


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_pngs_of_any_depth(bits):
    levels = RNG.integers(0, 2**bits, (9, 13, 1)).astype(np.uint16)
    content = encode_png(levels, bits, 0)
    assert np.array_equal(decode_levels(content, "a.png"), by_opencv(content))
    stored = decode_bitmap(content, "a.png")
    assert np.array_equal(stored.samples, levels)
    assert (stored.bits, stored.palette, stored.opacity) == (bits, None, None)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palette_pngs_of_any_depth(bits):
    places = RNG.integers(0, 2**bits, (9, 13, 1)).astype(np.uint8)
    colours = PALETTE[: 2**bits]
    content = encode_png(places, bits, 3, chunks=((b"PLTE", colours.tobytes()),))
    assert np.array_equal(decode_levels(content, "a.png"), colours[places[..., 0]])
    assert np.array_equal(decode_levels(content, "a.png"), by_opencv(content))
    stored = decode_bitmap(content, "a.png")
    assert np.array_equal(stored.samples, places)
    assert np.array_equal(stored.palette[: 2**bits], colours)


@pytest.mark.parametrize("colour_type", [2, 4, 6])
@pytest.mark.parametrize("bits", [8, 16])
def test_pngs_of_several_channels(bits, colour_type):
    channels = {2: 3, 4: 2, 6: 4}[colour_type]
    samples = RNG.integers(0, 2**bits, (9, 13, channels)).astype(np.uint16)
    content = encode_png(samples, bits, colour_type)
    colours = samples[..., : 3 if channels > 2 else 1]
    assert np.array_equal(decode_levels(content, "a.png").reshape(colours.shape), colours)
    stored = decode_bitmap(content, "a.png")
    assert np.array_equal(stored.samples, colours)
    if channels == 3:
        assert stored.opacity is None
    else:
        assert np.array_equal(stored.opacity, samples[..., -1] >> (bits - 8))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_one_level_of_a_grey_png_may_be_transparent(bits):
    levels = RNG.integers(0, min(2**bits, 5), (9, 13, 1)).astype(np.uint16)
    content = encode_png(levels, bits, 0, chunks=((b"tRNS", struct.pack(">H", 1)),))
    assert np.array_equal(decode_bitmap(content, "a.png").opacity == 0, levels[..., 0] == 1)


def test_one_colour_or_some_places_of_a_palette_may_be_transparent():
    samples = RNG.integers(0, 2, (9, 13, 3)).astype(np.uint8)
    content = encode_png(samples, 8, 2, chunks=((b"tRNS", struct.pack(">HHH", 1, 0, 1)),))
    assert np.array_equal(decode_bitmap(content, "a.png").opacity == 0, (samples == [1, 0, 1]).all(axis=-1))
    places = RNG.integers(0, 4, (9, 13, 1)).astype(np.uint8)
    chunks = ((b"PLTE", PALETTE[:4].tobytes()), (b"tRNS", bytes([255, 0, 90])))
    content = encode_png(places, 2, 3, chunks=chunks)
    expected = np.array([255, 0, 90, 255])[places[..., 0]]
    assert np.array_equal(decode_bitmap(content, "a.png").opacity, expected)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
@pytest.mark.parametrize("kind", ["BMP", "GIF", "WEBP"])
def test_other_formats_show_what_pillow_shows(kind, mode):
    picture = Image.fromarray(RGB // 64 * 64).convert(mode)
    content = encode(picture, kind, **({"lossless": True} if kind == "WEBP" else {}))
    with Image.open(io.BytesIO(content)) as opened:
        expected = np.asarray(opened.convert("RGB"))
    levels = decode_levels(content, "a")
    assert np.array_equal(levels if levels.ndim == 3 else np.repeat(levels[..., None], 3, axis=-1), expected)


def bmp_of_palette(places, bits, colours):
    row = (places.shape[1] * bits + 31) // 32 * 4
    digits = ((places[..., None] >> np.arange(bits - 1, -1, -1)) & 1).reshape(len(places), -1)
    rows = b"".join(np.packbits(line.astype(np.uint8)).tobytes().ljust(row, b"\0") for line in digits[::-1])
    start = 54 + 4 * len(colours)
    size = (places.shape[1], places.shape[0])
    header = struct.pack("<IiiHHIIiiII", 40, *size, 1, bits, 0, len(rows), 0, 0, len(colours), 0)
    table = b"".join(bytes([*colour[::-1], 0]) for colour in colours)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + header + table + rows


@pytest.mark.parametrize(("bits", "count"), [(1, 2), (4, 2), (4, 3), (4, 16), (8, 2), (8, 3), (8, 256)])
@pytest.mark.parametrize("order", ["spread", "equal", "inverted", "coloured"])
def test_bmps_of_any_palette(bits, count, order):
    places = RNG.integers(0, count, (9, 13))
    levels = np.arange(count) if order == "equal" else np.arange(count) * 255 // (count - 1)
    colours = np.repeat((255 - levels if order == "inverted" else levels)[:, None], 3, axis=1)
    if order == "coloured":
        colours[1] = 200, 0, 0
    content = bmp_of_palette(places, bits, colours.tolist())
    levels = decode_levels(content, "a.bmp")
    shown = levels if levels.ndim == 3 else np.repeat(levels[..., None], 3, axis=-1)
    assert np.array_equal(shown, colours[places])
    assert np.array_equal(shown, cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations_are_refused(kind):
    pictures = [Image.fromarray(np.roll(RGB, i, axis=0)) for i in range(3)]
    content = encode(pictures[0], kind, save_all=True, append_images=pictures[1:])
    with pytest.raises(ImageError, match=r"a\.x: an animation of 3 pictures"):
        decode_levels(content, "a.x")


def test_of_a_jpeg_with_previews_the_first_picture_is_read():
    pictures = [Image.fromarray(RGB), Image.fromarray(RGB[:4, :4])]
    content = encode(pictures[0], "MPO", save_all=True, append_images=pictures[1:])
    with Image.open(io.BytesIO(content)) as opened:
        assert opened.format == "MPO"
        assert np.array_equal(decode_levels(content, "a.jpg"), np.asarray(opened))


def test_formats_that_are_not_of_images_of_panels_are_unknown():
    for kind in ("PPM", "ICO", "TGA", "PCX"):
        with pytest.raises(ImageError, match=r"a\.png: .*no format that is known"):
            decode_levels(encode(Image.fromarray(RGB), kind), "a.png")
    with pytest.raises(ImageError, match=r"a\.png: the file is empty"):
        decode_levels(b"", "a.png")


def test_orientation_is_read_from_exif():
    exif = Image.Exif()
    exif[274] = 6
    assert bitmap_orientation(encode(Image.fromarray(RGB), "JPEG", exif=exif), "a.jpg") == 6
    assert bitmap_orientation(encode(Image.fromarray(RGB), "JPEG"), "a.jpg") == 1


def test_few_bytes_cannot_claim_many_pixels():
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    good = encode_png(GREY[..., None], 8, 0)
    chunk = encode_chunk(b"IHDR", header)
    with pytest.raises(
        ImageError, match=r"a\.png: claims 1,200,020,000 bytes of pixels, more than a file of"
    ):
        decode_levels(good[:8] + chunk + good[33:], "a.png")
    jpeg = bytearray(encode(Image.fromarray(GREY), "JPEG"))
    place = jpeg.index(b"\xff\xc0")
    jpeg[place + 5 : place + 9] = struct.pack(">HH", 20_000, 20_000)
    with pytest.raises(ImageError, match="claims 400,000,000 bytes"):
        decode_levels(bytes(jpeg), "a.jpg")


def test_a_blank_picture_is_not_taken_for_a_false_claim(monkeypatch):
    monkeypatch.setattr(solarseg.decoding.guards, "_ALWAYS_ALLOWED", 0)
    blank = Image.new("L", (3000, 3000))
    for kind in ("PNG", "JPEG", "BMP", "GIF"):
        assert not decode_levels(encode(blank, kind), "a").any()
    assert not decode_levels(encode(blank, "PNG", optimize=True), "a").any()
    assert not decode_levels(encode(blank, "JPEG", progressive=True, optimize=True), "a").any()


def test_a_wrong_checksum_is_damage():
    content = bytearray(encode_png(RNG.integers(0, 65536, (40, 40, 1)).astype(np.uint16), 16, 0))
    content[-20] ^= 1  # of the checksum of the pixels
    for damaged in (bytes(content), bytes(content[:-12]), bytes(content[:60])):
        with pytest.raises(ImageError, match=r"a\.png: the PNG data are damaged"):
            decode_levels(damaged, "a.png")


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 20}, {"optimize": True}])
def test_a_jpeg_whose_end_is_lost_is_damaged(options):
    noise = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    content = encode(noise, "JPEG", **options)
    assert decode_levels(content, "a.jpg").shape == (64, 64, 3)
    assert np.array_equal(decode_levels(content + b"trailing", "a.jpg"), decode_levels(content, "a.jpg"))
    lost = content[: len(content) // 2] + bytes(len(content) - len(content) // 2)
    for damaged in (lost, content[:-2], content[:2], content[:40]):
        with pytest.raises(ImageError, match=r"a\.jpg"), guarded("a.jpg"):
            decode_levels(damaged, "a.jpg")


def test_a_jpeg_of_very_many_scans_is_refused():
    content = encode(Image.fromarray(GREY), "JPEG", progressive=True)
    last = content.rindex(b"\xff\xda")
    with pytest.raises(ImageError, match="more than 100 JPEG scans"):
        decode_levels(content[:last] + content[last:-2] * 200 + b"\xff\xd9", "a.jpg")
