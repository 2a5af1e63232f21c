"""Supervisely by hand: whole classes as bitmaps."""

import base64
import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from solarseg.classes import ClassMap
from solarseg.datasets.sample import Sample

EXACT = True


def build(folder: Path, samples: Sequence[Sample], classes: ClassMap) -> Path:
    listed = [
        {"title": name, "shape": "bitmap", "color": f"#{bytes(colour).hex()}"}
        for name, colour in zip(classes.names, classes.colours, strict=True)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").write_text(json.dumps({"classes": listed, "tags": []}))
    for sample in samples:
        *above, leaf = sample.name.split("/")
        dataset = folder.joinpath(*(above or ["dataset"]))
        for kind in ("img", "ann"):
            (dataset / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample.image).save(dataset / "img" / f"{leaf}.png")
        objects = []
        for class_id in range(1, len(classes)):
            png = cv2.imencode(".png", (sample.mask == class_id).astype(np.uint8) * 255)[1].tobytes()
            data = base64.b64encode(zlib.compress(png)).decode()
            objects.append(
                {
                    "classTitle": classes.names[class_id],
                    "geometryType": "bitmap",
                    "bitmap": {"data": data, "origin": [0, 0]},
                }
            )
        height, width = sample.mask.shape
        annotation = {"size": {"height": height, "width": width}, "objects": objects, "tags": []}
        (dataset / "ann" / f"{leaf}.png.json").write_text(json.dumps(annotation))
    return folder
