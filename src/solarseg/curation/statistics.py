"""Statistics of a dataset: sizes, bands, classes and groups."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from solarseg.curation.survey import SampleFacts, Survey
from solarseg.errors import DatasetError

__all__ = ["BandStatistics", "ClassStatistics", "Statistics", "summarise"]


class BandStatistics(BaseModel):
    """Of one band over all images, in the units of the files, without pixels that show nothing.

    Attributes:
        name: as in ``dataset.yaml``, or its number from 1.
        low: lowest value.
        high: highest value.
        mean: mean of all pixels.
        deviation: standard deviation of all pixels.
        flat: images in which all pixels of this band have one value while other bands vary, as in a filled band.
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
        pixels: number of pixels in all masks.
        share: of all pixels that are not ignored, 0 to 1.
        images: number of images that show it.
        regions: number of 8-connected components; None for the background.
        areas: pixels of the smallest region, the quartiles and the largest; None where there is no region.
        histogram: number of regions of 1, 2 to 3, 4 to 7, 8 to 15, ... pixels.
    """

    name: str
    pixels: int
    share: float
    images: int
    regions: int | None
    areas: tuple[float, float, float, float, float] | None
    histogram: tuple[int, ...]


class Statistics(BaseModel):
    """Statistics of a dataset.

    Attributes:
        dataset: its folder.
        images: number of images that could be read.
        sizes: ``"WxH"`` -> number of images of that size, most frequent first.
        depths: dtype -> number of images of that depth.
        bands: of the images that have as many bands as most.
        classes: background first.
        ignored: share of all pixels that the masks leave out or that are nodata, 0 to 1.
        nodata: share of all pixels that show nothing (nodata or transparent), 0 to 1.
        empty: number of images that show only background.
        groups: number of groups.
        group_sizes: group -> number of its images, largest first.
        grouped: whether groups were given; if not, each image is its own group.
        unreadable: sample -> why it cannot be read.
        left_out: why -> files of the dataset folder that are not taken for images.
    """

    dataset: str
    images: int
    sizes: dict[str, int]
    depths: dict[str, int]
    bands: list[BandStatistics]
    classes: list[ClassStatistics]
    ignored: float
    nodata: float
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


def summarise(survey: Survey) -> Statistics:
    """Add up what a survey with ``regions=True`` found.

    Raises:
        DatasetError: no sample can be read.
    """
    data, seen = survey.data, survey.samples
    if not seen:
        raise DatasetError(
            f"{data.root}: no sample can be read; {next(iter(survey.unreadable.values()), '')}"
        )
    total = sum(one.size[0] * one.size[1] for one in seen)
    group_sizes = Counter(data.group_of[one.name] for one in seen)
    pixels = np.stack([one.pixels for one in seen])
    return Statistics(
        dataset=str(data.root),
        images=len(seen),
        sizes=_count(f"{one.size[0]}x{one.size[1]}" for one in seen),
        depths=_count(one.depth for one in seen),
        bands=_bands(seen, data.description.bands),
        classes=[_class(seen, pixels, i, name) for i, name in enumerate(data.classes.names)],
        ignored=sum(one.ignored for one in seen) / total,
        nodata=1 - sum(one.shown for one in seen) / total,
        empty=int((pixels[:, 1:].sum(axis=1) == 0).sum()),
        groups=len(group_sizes),
        group_sizes=dict(group_sizes.most_common()),
        grouped=data.grouped,
        unreadable={name: str(error) for name, error in survey.unreadable.items()},
        left_out={why: tuple(what) for why, what in data.left_out.items()},
    )


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def _bands(seen: Sequence[SampleFacts], names: Sequence[str] | None) -> list[BandStatistics]:
    (most, _), *_ = Counter(len(one.sums) for one in seen).most_common(1)
    alike = [one for one in seen if len(one.sums) == most and one.shown]
    if not alike:
        return []
    pixels = sum(one.shown for one in alike)
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
    seen: Sequence[SampleFacts], pixels: NDArray[np.int64], class_id: int, name: str
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
