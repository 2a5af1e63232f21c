"""A dataset folder by hand: grey masks of class ids, and names in dataset.yaml."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from solarseg.classes import ClassMap
from solarseg.datasets.sample import Sample

EXACT = True


def build(folder: Path, samples: Sequence[Sample], classes: ClassMap) -> Path:
    for sample in samples:
        for kind, pixels in (("images", sample.image), ("masks", sample.mask)):
            file = folder / kind / f"{sample.name}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file)
    (folder / "dataset.yaml").write_text(f"classes: [{', '.join(classes.names)}]\n")
    return folder
