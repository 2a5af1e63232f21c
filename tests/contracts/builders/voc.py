"""Pascal VOC by hand, in colours as CVAT writes it, labels in alphabetical order."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from solarseg.classes import ClassMap
from solarseg.datasets.sample import Sample

EXACT = True


def build(folder: Path, samples: Sequence[Sample], classes: ClassMap) -> Path:
    for sample in samples:
        painted = np.zeros((*sample.mask.shape, 3), np.uint8)
        for class_id, colour in enumerate(classes.colours):
            painted[sample.mask == class_id] = colour
        for kind, pixels in (("JPEGImages", sample.image), ("SegmentationClass", painted)):
            file = folder / kind / f"{sample.name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
    rows = [
        f"{name}:{','.join(map(str, colour))}::"
        for name, colour in sorted(zip(classes.names, classes.colours, strict=True))
    ]
    (folder / "labelmap.txt").write_text("\n".join(["# label:color_rgb:parts:actions", *rows]) + "\n")
    listed = folder / "ImageSets" / "Segmentation" / "default.txt"
    listed.parent.mkdir(parents=True)
    listed.write_text("".join(f"{sample.name}\n" for sample in samples))
    return folder
