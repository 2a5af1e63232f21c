"""Small datasets, and trainings on them that take seconds."""

from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import from_origin

TINY = {
    "encoder": "resnet18",
    "encoder_weights": "none",  # no test needs a network
    "image_size": 64,
    "epochs": 2,
    "batch_size": 4,
    "precision": "32",
}


def quiet(**options: Any) -> Any:
    """A machine that shows nothing and uses no GPU."""
    from solarseg.training.config import Machine

    return Machine(accelerator="cpu", progress=False, **options)


def write_squares(root: Path, count: int = 12, size: int = 64, groups: int = 6, seed: int = 0) -> Path:
    """A dataset folder of bright squares on dark noise, masks 0/255, and groups.csv."""
    rng = np.random.default_rng(seed)
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    lines = ["name,group"]
    for i in range(count):
        image = rng.integers(0, 80, (size, size, 3), dtype=np.uint8)
        mask = np.zeros((size, size), dtype=np.uint8)
        y, x = rng.integers(0, size // 2, 2)
        mask[y : y + size // 3, x : x + size // 3] = 255
        image[mask > 0] += 150
        Image.fromarray(image).save(root / "images" / f"im{i:02}.png")
        Image.fromarray(mask).save(root / "masks" / f"im{i:02}.png")
        lines.append(f"im{i:02},g{i % groups}")
    (root / "groups.csv").write_text("\n".join(lines) + "\n")
    return root


def write_raster(path: Path, bands: np.ndarray, nodata: float) -> None:
    """Write ``(C, H, W)`` as a GeoTIFF of 0.1 m a pixel."""
    path.parent.mkdir(parents=True, exist_ok=True)
    place = {"crs": "EPSG:32650", "transform": from_origin(5e5, 4e6, 0.1, 0.1), "nodata": nodata}
    size = {"width": bands.shape[2], "height": bands.shape[1], "count": len(bands), "dtype": bands.dtype}
    with rasterio.open(path, "w", driver="GTiff", **size, **place) as file:
        file.write(bands)


def write_half_empty(root: Path, nodata: int) -> Path:
    """The squares as 12-bit GeoTIFFs whose left half is nodata."""
    write_squares(root)
    for file in sorted((root / "images").iterdir()):
        bands = np.moveaxis(np.asarray(Image.open(file)), -1, 0).astype(np.uint16) * 16 + 1
        bands[:, :, :32] = nodata
        file.unlink()
        write_raster(file.with_suffix(".tif"), bands, nodata)
    return root
