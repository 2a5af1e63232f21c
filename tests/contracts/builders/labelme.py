"""LabelMe by hand: whole classes as masks."""

import base64
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from solarseg.classes import ClassMap
from solarseg.datasets.sample import Sample

EXACT = True


def build(folder: Path, samples: Sequence[Sample], classes: ClassMap) -> Path:
    for sample in samples:
        file = folder / f"{sample.name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample.image).save(file)
        height, width = sample.mask.shape
        shapes = []
        for class_id in range(1, len(classes)):
            png = cv2.imencode(".png", (sample.mask == class_id).astype(np.uint8))[1].tobytes()
            shapes.append(
                {
                    "label": classes.names[class_id],
                    "shape_type": "mask",
                    "points": [[0.0, 0.0], [width - 1.0, height - 1.0]],
                    "mask": base64.b64encode(png).decode(),
                }
            )
        content = {
            "version": "5.4.1",
            "flags": {},
            "shapes": shapes,
            "imagePath": file.name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        file.with_suffix(".json").write_text(json.dumps(content))
    return folder
