"""What is written for people and other programs: one file for each kind."""

from collections.abc import Mapping

__all__ = ["WRITERS"]

# Formats of labelling tools; each entry is a `solarseg.outputs.labels.Writer`.
WRITERS: Mapping[str, str] = {
    "coco": "solarseg.outputs.coco:write",
    "labelme": "solarseg.outputs.labelme:write",
    "supervisely": "solarseg.outputs.supervisely:write",
    "voc": "solarseg.outputs.voc:write",
    "yolo": "solarseg.outputs.yolo:write",
}
