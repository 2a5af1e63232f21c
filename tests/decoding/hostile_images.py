"""Image files that are damaged by chance, and a process of little memory that reads them.

Run as ``python hostile_images.py SEED COUNT``, it prints one line for each file that was neither read nor refused as it
should be, and ends with ``done``.
"""

import io
import random
import resource
import signal
import struct
import sys
import tempfile
import traceback
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image

from solarseg.errors import ImageError, MaskError
from solarseg.images import read_image, read_orientation
from solarseg.masks import inspect_mask, read_mask_colours

MEMORY = 700 << 20  # bytes more than the process has when it starts
SECONDS = 30  # after which a file counts as one that hangs
_RNG = np.random.default_rng(0)
_SMOOTH = np.add.outer(np.arange(48), np.arange(40)).astype(np.uint8)
_RGB = np.stack([_SMOOTH, 255 - _SMOOTH, _RNG.integers(0, 256, _SMOOTH.shape, dtype=np.uint8)], axis=-1)
_MASK = (_SMOOTH > 50) * np.uint8(255)
_NUMBERS = (0, 1, 2, 7, 8, 16, 255, 256, 20_000, 65_535, 2**31 - 1, 2**31, 2**32 - 1)


def originals() -> list[tuple[str, bytes]]:
    """Suffix and content of small files of every kind that is read."""
    found = []

    def pillow(suffix: str, mode: str, pixels: np.ndarray = _RGB, **options: Any) -> None:
        held = io.BytesIO()
        picture = Image.fromarray(pixels)
        (picture if picture.mode == mode else picture.convert(mode)).save(held, **options)
        found.append((suffix, held.getvalue()))

    exif = Image.Exif()
    exif[274] = 6
    for mode in ("1", "L", "P", "RGB", "RGBA", "LA"):
        pillow(".png", mode, format="PNG", exif=exif)
    pillow(".png", "I;16", _SMOOTH.astype(np.uint16) * 257, format="PNG")
    pillow(".png", "L", _MASK, format="PNG")
    pillow(".png", "P", format="PNG", bits=4, transparency=1)
    for options in ({}, {"progressive": True}, {"quality": 30}, {"exif": exif}):
        pillow(".jpg", "RGB", format="JPEG", **options)
    pillow(".jpg", "L", format="JPEG")
    pillow(".jpg", "CMYK", format="JPEG")
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        pillow(".bmp", mode, format="BMP")
    for mode in ("L", "P"):
        pillow(".gif", mode, format="GIF")
    for options in ({}, {"lossless": True}):
        pillow(".webp", "RGBA", format="WEBP", **options)
    for mode, compression in (
        ("1", "group4"),
        ("L", "packbits"),
        ("CMYK", "tiff_lzw"),
        ("LAB", None),
        ("YCbCr", "jpeg"),
    ):
        pillow(".tif", mode, format="TIFF", compression=compression)

    def tiff(pixels: np.ndarray, **options: Any) -> None:
        held = io.BytesIO()
        tifffile.imwrite(held, pixels, **options)
        found.append((".tif", held.getvalue()))

    for compression in (None, "zlib", "lzw", "zstd", "lzma", "jpeg", "webp", "lerc", "jpeg2000"):
        tiff(_RGB, photometric="rgb", compression=compression, tile=(16, 16))
        tiff(_RGB, photometric="rgb", compression=compression, rowsperstrip=7)
    tiff(_SMOOTH.astype(np.uint16), compression="zlib", predictor=True, bigtiff=True)
    tiff(_SMOOTH.astype(np.float32), compression="zlib", predictor=True, byteorder=">")
    tiff(np.repeat(_RGB, 3, axis=-1).transpose(2, 0, 1), photometric="minisblack", planarconfig="separate")
    tiff(_SMOOTH > 30)
    tiff(_SMOOTH, photometric="palette", colormap=_RNG.integers(0, 65536, (3, 256)).astype(np.uint16))
    tiff(np.stack([_SMOOTH] * 3), photometric="minisblack", ome=True)
    tiff(np.stack([_SMOOTH] * 3), imagej=True)
    tiff(np.stack([_SMOOTH] * 2, axis=-1), photometric="minisblack", extrasamples=["unassalpha"])
    return found


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 1, 4, 40])):
        data[rng.randrange(len(data))] = rng.randrange(256)


def _flip_head(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 2, 4])):
        data[rng.randrange(min(len(data), 300))] = rng.choice([0, 1, 2, 4, 8, 255, rng.randrange(256)])


def _zero(data: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(data))
    end = rng.choice([len(data), start + rng.randrange(1, 200)])
    data[start:end] = bytes(len(data[start:end]))


def _truncate(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(1, len(data)) :]


def _repeat(data: bytearray, rng: random.Random) -> None:
    start, end = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    data[end:end] = data[start:end] * rng.choice([1, 3, 200])


def _number(data: bytearray, rng: random.Random) -> None:
    """Write a number that means much as a size, a count or a place in a file."""
    form = rng.choice(["<H", ">H", "<I", ">I"])
    packed = struct.pack(form, rng.choice(_NUMBERS) & (0xFFFF if form[1] == "H" else 0xFFFFFFFF))
    place = rng.randrange(len(data))
    data[place : place + len(packed)] = packed


def _tag(data: bytearray, rng: random.Random) -> None:
    """Change the type, the count or the value of a tag of a TIFF, or where the next directory is."""
    if data[:4] != b"II*\0" or len(data) < 16:
        _number(data, rng)
        return
    place = struct.unpack("<I", data[4:8])[0]
    count = struct.unpack("<H", data[place : place + 2].ljust(2, b"\0"))[0]
    entry = place + 2 + 12 * rng.randrange(max(1, min(count, 30)) + 1)
    value = rng.choice([*_NUMBERS, place, 8, rng.randrange(len(data))])
    offset, form = rng.choice([(0, "<H"), (2, "<H"), (4, "<I"), (8, "<I"), (8, "<I"), (8, "<H")])
    packed = struct.pack(form, value & (0xFFFF if form == "<H" else 0xFFFFFFFF))
    data[entry + offset : entry + offset + len(packed)] = packed


def _header(data: bytearray, rng: random.Random) -> None:
    """Change the header of a PNG, with its checksum, or the size that a JPEG claims."""
    value = rng.choice(_NUMBERS)
    if data[12:16] == b"IHDR":
        place, packed = rng.choice([(16, value), (20, value)]), None
        if rng.random() < 0.3:
            data[24:26] = bytes([rng.choice([1, 2, 4, 8, 16, 3]), rng.choice([0, 2, 3, 4, 6, 7])])
        else:
            packed = struct.pack(">I", place[1])
            data[place[0] : place[0] + 4] = packed
        data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    elif data[:2] == b"\xff\xd8" and (start := max(data.find(b"\xff\xc0"), data.find(b"\xff\xc2"))) > 0:
        data[start + 5 : start + 9] = struct.pack(">HH", value & 0xFFFF, rng.choice(_NUMBERS) & 0xFFFF)
    else:
        _number(data, rng)


_MUTATIONS: list[Callable[[bytearray, random.Random], None]] = [
    _flip,
    _flip_head,
    _flip_head,
    _zero,
    _truncate,
    _repeat,
    _number,
    _tag,
    _tag,
    _header,
]


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Damage a file in one to three ways."""
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        rng.choice(_MUTATIONS)(data, rng)
        if not data:
            break
    return bytes(data)


def complain(file: Path) -> str | None:
    """Read a file in every way, and say what is wrong with how it was read or refused."""
    for read, error in (
        (read_image, ImageError),
        (read_orientation, ImageError),
        (inspect_mask, MaskError),
        (read_mask_colours, MaskError),
    ):
        try:
            read(file)
        except error as refusal:
            text, cause = str(refusal), refusal.__cause__
            while cause is not None:
                if isinstance(cause, MemoryError):
                    return f"{read.__name__}: takes more than {MEMORY >> 20} MB"
                cause = cause.__cause__
            if "\n" in text or file.name not in text:
                return f"{read.__name__}: no message of one line that names the file: {text!r}"
        except BaseException as foreign:
            place = traceback.extract_tb(foreign.__traceback__)[-1]
            return f"{read.__name__}: {type(foreign).__name__}: {foreign} ({place.filename}:{place.lineno})"
    return None


def _hang(*_: object) -> None:
    raise TimeoutError(f"takes more than {SECONDS} s")


def main(seed: int, count: int) -> None:
    """Read damaged files one after another."""
    rng = random.Random(seed)
    files = originals()
    with tempfile.TemporaryDirectory() as folder:
        for suffix, content in files:  # what libraries load and start is no cost of a file
            file = Path(folder) / f"good{suffix}"
            file.write_bytes(content)
            complain(file)
        statm = Path("/proc/self/statm")
        if statm.exists():
            taken = int(statm.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
        signal.signal(signal.SIGALRM, _hang)
        for number in range(count):
            suffix, content = rng.choice(files)
            file = Path(folder) / f"bad{suffix}"
            file.write_bytes(mutate(content, rng))
            print(f"{seed}.{number}", file=sys.stderr, flush=True)  # noqa: T201 - the last one, if this process dies
            signal.alarm(SECONDS)
            what = complain(file)
            signal.alarm(0)
            if what is not None:
                print(f"file {number} of seed {seed} ({suffix}): {what}", flush=True)  # noqa: T201
    print("done")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
