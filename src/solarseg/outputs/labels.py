"""What the writers of labelling tools' formats are given."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from solarseg.classes import ClassMap
from solarseg.datasets.annotations import is_background
from solarseg.errors import OutputError

__all__ = ["Labelled", "Writer", "check_names"]


@dataclass(frozen=True)
class Labelled:
    """An image file and what is on it.

    Attributes:
        name: of the sample, without suffix, ``/`` between folders.
        image: the image file, which is upright as its EXIF orientation says.
        mask: ``(H, W) uint8`` class ids of the upright image, 255 where pixels are to be ignored.
    """

    name: str
    image: Path
    mask: NDArray[np.uint8]


# write(items, classes, folder, tolerance): writes whole files into a folder that is there and empty, image files
# copied where the format wants them beside the labels. Where it holds polygons, an outline may stray from the
# region's border by up to `tolerance` pixels; 0 is exact.
Writer = Callable[[Iterable[Labelled], ClassMap, Path, float], None]


def check_names(classes: ClassMap) -> None:
    """Raise OutputError where a class would be taken for the background when it is read again.

    Examples:
        >>> check_names(ClassMap(("nothing", "crack", "Background")))
        Traceback (most recent call last):
        solarseg.errors.OutputError: class 2 is called 'Background', which is read as class 0; rename it in dataset.yaml
    """
    for class_id, name in enumerate(classes.names):
        if class_id and is_background(name):
            raise OutputError(
                f"class {class_id} is called '{name}', which is read as class 0; rename it in dataset.yaml"
            )
