"""PNG files of any depth and colour type, bit by bit, since writers choose these for themselves."""

import struct
import zlib

import numpy as np


def encode_png(
    samples: np.ndarray, bits: int, colour_type: int, *, chunks: tuple[tuple[bytes, bytes], ...] = ()
) -> bytes:
    """Encode samples as they are to be stored.

    Args:
        samples: ``(H, W, C)``.
        bits: of a sample: 1, 2, 4, 8 or 16.
        colour_type: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGBA.
        chunks: name and content of what comes before the pixels, such as a palette.
    """
    height, width, _ = samples.shape
    flat = samples.reshape(height, -1)
    if bits == 16:
        rows = [row.astype(">u2").tobytes() for row in flat]
    else:
        digits = (flat[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        rows = [np.packbits(row.ravel().astype(np.uint8)).tobytes() for row in digits]
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = ((b"IHDR", header), *chunks, (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(encode_chunk(*part) for part in parts)


def encode_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
