"""GeoTIFF pairs by hand, on a grid of 10 m in UTM zone 32, and names in dataset.yaml."""

from collections.abc import Sequence
from pathlib import Path

import rasterio
from rasterio.transform import from_origin

from solarseg.classes import ClassMap
from solarseg.datasets.sample import Sample

EXACT = True


def build(folder: Path, samples: Sequence[Sample], classes: ClassMap) -> Path:
    for sample in samples:
        for kind, bands in (("images", sample.image.transpose(2, 0, 1)), ("masks", sample.mask[None])):
            file = folder / kind / f"{sample.name}.tif"
            file.parent.mkdir(parents=True, exist_ok=True)
            with rasterio.open(
                file,
                "w",
                driver="GTiff",
                count=len(bands),
                height=bands.shape[1],
                width=bands.shape[2],
                dtype=bands.dtype,
                crs="EPSG:32632",
                transform=from_origin(500_000, 5_000_000, 10, 10),
            ) as tiff:
                tiff.write(bands)
    (folder / "dataset.yaml").write_text(f"classes: [{', '.join(classes.names)}]\n")
    return folder
