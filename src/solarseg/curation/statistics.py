"""What a dataset holds, in numbers."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from solarseg.curation.inspection import Inspection
from solarseg.datasets import FolderDataset
from solarseg.errors import DataError, DatasetError

__all__ = ["BandStatistics", "ClassStatistics", "Statistics", "summarise"]


class BandStatistics(BaseModel):
    """Of one band over all images, in the units of the files.

    Attributes:
        name: as in ``dataset.yaml``, or its number from 1.
        low: least value.
        high: greatest value.
        mean: over all pixels.
        deviation: standard deviation over all pixels.
        flat: images in which this band has one value throughout while others do not, as a band that was filled.
    """

    name: str
    low: float
    high: float
    mean: float
    deviation: float
    flat: int


class ClassStatistics(BaseModel):
    """Of one class over all masks.

    Attributes:
        name: of the class.
        pixels: over all masks.
        share: of all pixels that are not ignored, 0 to 1.
        images: that show it.
        regions: 8-connected components; None for the background.
        areas: pixels of the smallest region, the quartiles and the largest; None where there is none.
        histogram: regions of 1, 2 to 3, 4 to 7, 8 to 15, ... pixels.
    """

    name: str
    pixels: int
    share: float
    images: int
    regions: int | None
    areas: tuple[float, float, float, float, float] | None
    histogram: tuple[int, ...]


class Statistics(BaseModel):
    """What a dataset holds.

    Attributes:
        dataset: its folder.
        images: that could be read.
        sizes: ``"WxH"`` -> images of that size, commonest first.
        depths: dtype -> images of that depth.
        bands: of the images that have as many bands as most.
        classes: background first.
        ignored: share of all pixels that the masks leave out, 0 to 1.
        empty: images that show nothing but background.
        groups: number of groups.
        group_sizes: images of each group, largest first.
        grouped: whether anything says which images belong together.
        unreadable: sample -> why it was left out.
        left_out: why -> files of the dataset folder that are not taken for images.
    """

    dataset: str
    images: int
    sizes: dict[str, int]
    depths: dict[str, int]
    bands: list[BandStatistics]
    classes: list[ClassStatistics]
    ignored: float
    empty: int
    groups: int
    group_sizes: dict[str, int]
    grouped: bool
    unreadable: dict[str, str]
    left_out: dict[str, tuple[str, ...]]

    def __repr__(self) -> str:
        classes = ", ".join(f"{one.name} {one.share:.1%}" for one in self.classes[:4])
        return f"<Statistics {self.dataset}: {self.images} images of {self.groups} groups; {classes}>"

    def __str__(self) -> str:
        return repr(self)

    def rows(self) -> list[dict[str, Any]]:
        """Give a row a class, as ``pandas.DataFrame`` takes them: name, pixels, share, images, regions."""
        return [
            one.model_dump(include={"name", "pixels", "share", "images", "regions"}) for one in self.classes
        ]


def summarise(
    data: FolderDataset, seen: Sequence[Inspection], unreadable: Mapping[str, DataError]
) -> Statistics:
    """Add up what `inspect_all` found.

    Args:
        data: the dataset.
        seen: the samples that could be read.
        unreadable: sample -> why, of the others.

    Raises:
        DatasetError: not one sample could be read.
    """
    if not seen:
        raise DatasetError(f"{data.root}: no sample can be read; {next(iter(unreadable.values()), '')}")
    group_sizes = Counter(data.group_of[one.name] for one in seen)
    pixels, ignored = np.stack([one.pixels for one in seen]), sum(one.ignored for one in seen)
    return Statistics(
        dataset=str(data.root),
        images=len(seen),
        sizes=_count(f"{one.size[0]}x{one.size[1]}" for one in seen),
        depths=_count(one.depth for one in seen),
        bands=_bands(seen, data.description.bands),
        classes=[_class(seen, pixels, i, name) for i, name in enumerate(data.classes.names)],
        ignored=ignored / (ignored + int(pixels.sum())),
        empty=int((pixels[:, 1:].sum(axis=1) == 0).sum()),
        groups=len(group_sizes),
        group_sizes=dict(group_sizes.most_common()),
        grouped=data.grouped,
        unreadable={name: str(error) for name, error in unreadable.items()},
        left_out={why: tuple(what) for why, what in data.left_out.items()},
    )


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _bands(seen: Sequence[Inspection], names: Sequence[str] | None) -> list[BandStatistics]:
    (most, _), *_ = Counter(len(one.sums) for one in seen).most_common(1)
    alike = [one for one in seen if len(one.sums) == most]
    pixels = sum(one.size[0] * one.size[1] for one in alike)
    mean = np.sum([one.sums for one in alike], axis=0) / pixels
    variance = np.sum([one.squares for one in alike], axis=0) / pixels - mean**2
    low, high = np.min([one.low for one in alike], axis=0), np.max([one.high for one in alike], axis=0)
    deviation = np.sqrt(np.maximum(variance, 0))
    alone = np.stack([(one.low == one.high) & (one.low < one.high).any() for one in alike]).sum(axis=0)
    called = names if names and len(names) == most else [str(number) for number in range(1, most + 1)]
    return [
        BandStatistics(
            name=name, low=low[i], high=high[i], mean=mean[i], deviation=deviation[i], flat=alone[i]
        )
        for i, name in enumerate(called)
    ]


def _class(
    seen: Sequence[Inspection], pixels: NDArray[np.int64], class_id: int, name: str
) -> ClassStatistics:
    areas = np.array([area for one in seen for area in one.areas.get(class_id, ())], dtype=np.int64)
    return ClassStatistics(
        name=name,
        pixels=int(pixels[:, class_id].sum()),
        share=float(pixels[:, class_id].sum() / max(1, pixels.sum())),
        images=int((pixels[:, class_id] > 0).sum()),
        regions=len(areas) if class_id else None,
        areas=tuple(np.quantile(areas, (0, 0.25, 0.5, 0.75, 1)).tolist()) if len(areas) else None,
        histogram=tuple(np.bincount(np.frexp(areas)[1] - 1).tolist()) if len(areas) else (),
    )
