"""Generated data for benchmarks, so that they run without any download."""

import gzip
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import google_crc32c
import numpy as np
from numpy.typing import NDArray

from solarseg.datasets import FolderDataset, open_dataset
from solarseg.files import atomic_folder, write_table
from solarseg.formats.glosofarid.read import BANDS
from solarseg.images import write_image
from solarseg.synthesis import CELL_CLASSES
from solarseg.synthesis.dataset import CELLS_PER_MODULE, generate_dataset_cell

__all__ = ["CACHE", "DEFECTS", "landscape_in_two_years", "open_tiles", "write_glosofarid"]

CACHE = Path(__file__).parent / "cache"
DEFECTS = ("crack", "inactive_area", "finger_interruption")
SEED = 7

Array = NDArray[Any]


def open_tiles(dataset: Path | None, count: int = 64, size: int = 256) -> FolderDataset:
    """Open a dataset folder with two classes, or generate one.

    Args:
        dataset: the folder; if None, EL cells are generated whose masks are 255 for each kind of defect and 0
            elsewhere. Their groups are modules of four cells. They stay in ``benchmarks/cache``.
        count: number of cells to generate.
        size: their side, pixels.
    """
    if dataset is not None:
        return open_dataset(dataset)
    folder = CACHE / f"defects-{count}-{size}"
    if not folder.exists():
        _write_defects(folder, count, size)
    return open_dataset(folder)


def _write_defects(folder: Path, count: int, size: int) -> None:
    defects = [CELL_CLASSES.names.index(name) for name in DEFECTS]
    with atomic_folder(folder) as temporary:
        for number in range(count):
            image, mask = generate_dataset_cell(SEED, number, size)
            write_image(temporary / "images" / f"cell_{number:03}.png", image[..., 0])
            write_image(
                temporary / "masks" / f"cell_{number:03}.png", (255 * np.isin(mask, defects)).astype(np.uint8)
            )
        rows = [(f"cell_{number:03}", f"module_{number // CELLS_PER_MODULE:03}") for number in range(count)]
        write_table(temporary / "groups.csv", ("name", "group"), rows)


def landscape_in_two_years(
    number: int, sown: float = 0.3, shift: int = 0, bands: int = 13
) -> Iterator[tuple[Array, Array]]:
    """Draw a landscape of fields, in two years; some may contain solar panels.

    Args:
        number: of the landscape; seeds everything.
        sown: share of each field's brightness that is drawn again for each year, 0 to 1.
        shift: largest shift of a year's image, pixels.
        bands: number of bands.

    Yields:
        Image ``(256, 256, bands) uint16`` up to 10,000 and mask ``(256, 256) uint8`` of 0 and 1, for each year.
    """
    rng = np.random.default_rng(number)
    side = 288
    angle, count = rng.uniform(0, np.pi), int(rng.integers(15, 60))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    pixels = np.stack(np.mgrid[:side, :side], axis=-1) @ rotation
    distances = np.abs(pixels[:, :, None] - rng.uniform(0, side, (count, 2)) @ rotation) * (1, 1.7)
    fields = distances.max(axis=-1).argmin(axis=-1)
    soil = _smooth_noise(rng, side, 3, -0.08, 0.08)
    panels = np.isin(fields, rng.choice(count, 3)) if rng.random() < 0.5 else np.zeros_like(fields, bool)
    usual = _spectra(rng, count, bands)
    for _ in range(2):
        image = (sown * _spectra(rng, count, bands) + (1 - sown) * usual)[fields] * (1 + soil[..., None])
        image[panels] = np.linspace(900, 1600, bands)
        image *= _smooth_noise(rng, side, 60, 0.85, 1.15)[..., None] * rng.uniform(0.8, 1.2, bands)
        image = cv2.GaussianBlur(image + rng.uniform(-100, 200, bands), (0, 0), 0.7) + rng.normal(
            0, 30, image.shape
        )
        y, x = 16 + rng.integers(-shift, shift + 1, 2)
        window = np.s_[y : y + 256, x : x + 256]
        yield image[window].clip(0, 10_000).astype(np.uint16), panels[window].astype(np.uint8)


def _spectra(rng: np.random.Generator, count: int, bands: int) -> Array:
    """Brightness of each field in each band: visible and infrared differ, neighbouring bands hardly."""
    ends, share = rng.uniform(600, 3000, (2, count, 1)), np.linspace(0, 1, bands)
    return 0.3 * rng.uniform(600, 3000, (count, bands)) + 0.7 * (ends[0] * (1 - share) + ends[1] * share)


def _smooth_noise(rng: np.random.Generator, side: int, deviation: float, low: float, high: float) -> Array:
    values = cv2.GaussianBlur(rng.normal(size=(side, side)), (0, 0), deviation)
    return low + (high - low) * (values - values.min()) / (values.max() - values.min())


def write_glosofarid(file: Path, count: int = 6) -> None:
    """Write generated landscapes in the format of GloSoFarID: gzip, TFRecord, tf.train.Example with float lists."""
    with gzip.open(file, "wb", compresslevel=6) as opened:
        for number in range(count):
            image, mask = next(landscape_in_two_years(number))
            planes = {**dict(zip(BANDS, np.moveaxis(image, -1, 0), strict=True)), "solar_panel": mask}
            opened.write(_record(_example(planes)))


def _record(content: bytes) -> bytes:
    """Frame a record: length, checksum of the length, content, checksum of the content."""
    length = struct.pack("<Q", len(content))
    return length + _masked_checksum(length) + content + _masked_checksum(content)


def _masked_checksum(content: bytes) -> bytes:
    checksum = google_crc32c.value(content)
    rotated = (checksum >> 15 | checksum << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


def _example(planes: dict[str, Array]) -> bytes:
    """Encode a tf.train.Example by protobuf's wire format: features (1) > map entries (1) > name (1), value (2)."""
    entries = b""
    for name, plane in planes.items():
        floats = _field(1, plane.astype("<f4").tobytes())  # FloatList.value, packed
        entries += _field(
            1, _field(1, name.encode()) + _field(2, _field(2, floats))
        )  # Feature.float_list is 2
    return _field(1, entries)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
