"""What every dataset yields."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.geotiff import TiffFacts

__all__ = ["Sample"]


@dataclass(frozen=True, repr=False)
class Sample:
    """An image with its mask.

    Attributes:
        image: ``(H, W, C)`` ``uint8``, ``uint16`` or ``float32``.
        mask: ``(H, W) uint8`` class ids, 255 where pixels are to be ignored.
        name: the image's path in the dataset, without suffix.
        group: what must not be divided by a split, such as the module or site the image shows.
        valid: ``(H, W) bool``: which pixels show something; None where all do. Where one does not, its mask is 255.
        file: image file with just these pixels; None if there is none, as of images within another file.
        facts: what the tags of the image file say; None of other files than TIFFs.
    """

    image: NDArray[Any]
    mask: NDArray[np.uint8]
    name: str
    group: str
    valid: NDArray[np.bool_] | None = None
    file: Path | None = None
    facts: TiffFacts | None = None

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.image.shape))
        return f"<Sample {self.name}: {size} {self.image.dtype}, group {self.group}>"
