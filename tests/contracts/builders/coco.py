"""COCO by hand: whole classes as uncompressed run lengths."""

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from solarseg.classes import ClassMap
from solarseg.datasets.sample import Sample

EXACT = True


def build(folder: Path, samples: Sequence[Sample], classes: ClassMap) -> Path:
    images, annotations = [], []
    for number, sample in enumerate(samples):
        file = folder / "images" / f"{sample.name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample.image).save(file)
        height, width = sample.mask.shape
        images.append({"id": number, "file_name": f"{sample.name}.png", "height": height, "width": width})
        for class_id in range(1, len(classes)):
            counts, inside = [0], False
            for pixel in (sample.mask == class_id).ravel(order="F"):
                if pixel != inside:
                    counts, inside = [*counts, 0], bool(pixel)
                counts[-1] += 1
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": 10 * class_id,
                    "segmentation": {"size": [height, width], "counts": counts},
                    "iscrowd": 1,
                }
            )
    categories = [{"id": 10 * i, "name": name} for i, name in enumerate(classes.names)][::-1]
    content = {"images": images, "categories": categories, "annotations": annotations}
    (folder / "labels.json").write_text(json.dumps(content))
    return folder
