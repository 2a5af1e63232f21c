"""YOLO by hand: each run of pixels in a row is a polygon of its own."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from PIL import Image

from solarseg.classes import ClassMap
from solarseg.datasets.sample import Sample

EXACT = True


def build(folder: Path, samples: Sequence[Sample], classes: ClassMap) -> Path:
    for sample in samples:
        image, label = folder / "images" / f"{sample.name}.png", folder / "labels" / f"{sample.name}.txt"
        for file in (image, label):
            file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample.image).save(image)
        height, width = sample.mask.shape
        lines = []
        for y, row in enumerate(sample.mask.tolist()):
            for class_id, run in groupby(range(width), key=row.__getitem__):
                columns = list(run)
                if class_id:
                    points = [(columns[0], y), (columns[-1], y), (columns[-1], y)]
                    shares = [f"{(a + 0.5) / width} {(b + 0.5) / height}" for a, b in points]
                    lines.append(" ".join([str(class_id - 1), *shares]))
        label.write_text("\n".join(lines))
    names = "\n".join(f"  {i}: {name}" for i, name in enumerate(classes.names[1:]))
    (folder / "data.yaml").write_text(f"train: images\nval: images\nnames:\n{names}\n")
    return folder
