"""Colour-coded masks by hand, painted class by class, and a table of the colours."""

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
        for kind, pixels in (("images", sample.image), ("masks", painted)):
            file = folder / kind / f"{sample.name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
    rows = [
        f"{name},{','.join(map(str, colour))}"
        for name, colour in zip(classes.names, classes.colours, strict=True)
    ]
    (folder / "classes.csv").write_text("\n".join(["Name,Red,Green,Blue", *rows]) + "\n")
    return folder
