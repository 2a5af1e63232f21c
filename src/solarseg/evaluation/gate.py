"""The comparison that decides whether an export is written: the export against its network, on held-out images."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.evaluation.scores import confusion_matrix, iou
from solarseg.inference.backends import Compute

__all__ = ["LIMIT", "ExportComparison", "compare_networks"]

LIMIT = 0.5  # points of IoU that a class may lose


@dataclass(frozen=True)
class ExportComparison:
    """How an export differs from its network.

    Attributes:
        class_names: in the order of class ids.
        images: how many were compared.
        largest_difference: of any probability.
        mean_difference: of all probabilities.
        changed: share of the pixels whose class differs, 0 to 1.
        network: pooled IoU of each class by the network, 0 to 1, NaN for a class in neither truth nor prediction.
        export: the same by the export.
    """

    class_names: tuple[str, ...]
    images: int
    largest_difference: float
    mean_difference: float
    changed: float
    network: tuple[float, ...]
    export: tuple[float, ...]

    @property
    def lost(self) -> tuple[float, ...]:
        """Points of IoU that each class loses, below 0 where it gains; 0 where one of the two has no IoU."""
        pairs = zip(self.network, self.export, strict=True)
        return tuple(round(float(np.nan_to_num(100 * (before - after))), 6) for before, after in pairs)

    @property
    def passes(self) -> bool:
        """Whether no class loses more than `LIMIT`."""
        return max(self.lost) <= LIMIT

    @property
    def worst(self) -> str:
        """The class that loses most."""
        return self.class_names[int(np.argmax(self.lost))]

    def record(self) -> dict[str, Any]:
        """Return what is stored in the model file: numbers, with None for NaN."""
        return {
            "images": self.images,
            "largest_difference": self.largest_difference,
            "mean_difference": self.mean_difference,
            "changed": self.changed,
            "network_iou": self._by_class(self.network),
            "export_iou": self._by_class(self.export),
            "points_lost": self._by_class(self.lost),
            "points_allowed": LIMIT,
            "passed": self.passes,
        }

    def _by_class(self, values: Iterable[float]) -> dict[str, float | None]:
        pairs = zip(self.class_names, values, strict=True)
        return {name: None if np.isnan(value) else round(value, 6) for name, value in pairs}

    def text(self) -> str:
        """Return the comparison as a small table.

        Examples:
            >>> ious = (0.93, 0.612), (0.93, 0.61)
            >>> print(ExportComparison(("background", "crack"), 8, 0.31, 0.002, 0.0012, *ious).text())
            class         network IoU   export IoU   points
            background         93.00%       93.00%    +0.00
            crack              61.20%       61.00%    -0.20
            8 images: 0.12% of the pixels change class, probabilities differ by up to 0.31
        """
        width = max(12, *map(len, self.class_names))
        rows = [f"{'class':<{width}}  network IoU   export IoU   points"]
        for name, before, after, lost in zip(
            self.class_names, self.network, self.export, self.lost, strict=True
        ):
            rows.append(f"{name:<{width}}  {before:>11.2%}  {after:>11.2%}  {round(-lost, 2) + 0.0:>+7.2f}")
        rows.append(
            f"{self.images} images: {self.changed:.2%} of the pixels change class, probabilities differ by up to "
            f"{self.largest_difference:.2g}"
        )
        return "\n".join(rows)


def compare_networks(
    network: Compute,
    export: Compute,
    samples: Iterable[tuple[NDArray[Any], NDArray[np.uint8]]],
    class_names: tuple[str, ...],
    ignore_index: int | None = None,
) -> ExportComparison:
    """Compare two functions from images to probabilities, at the size of the network's input.

    Args:
        network: from ``(1, S, S, C)`` images to ``(1, S, S, K) float32`` probabilities.
        export: the same.
        samples: at least one image ``(S, S, C)`` with its mask ``(S, S) uint8`` of class ids.
        class_names: in the order of class ids.
        ignore_index: pixels of this class id count in no IoU.

    Examples:
        >>> image, mask = np.zeros((1, 2, 1), np.uint8), np.array([[0, 1]], np.uint8)
        >>> right = lambda images: np.array([[[[0.9, 0.1], [0.2, 0.8]]]], np.float32)
        >>> wrong = lambda images: np.array([[[[0.9, 0.1], [0.6, 0.4]]]], np.float32)
        >>> found = compare_networks(right, wrong, [(image, mask)], ("background", "crack"))
        >>> found.changed, found.lost, found.passes
        (0.5, (50.0, 100.0), False)
    """
    count = len(class_names)
    before, after = np.zeros((2, count, count), np.int64)
    differences, largest, changed, images = [], 0.0, [], 0
    for image, mask in samples:
        expected, found = network(image[None])[0], export(image[None])[0]
        apart = np.abs(expected - found)
        largest = max(largest, float(apart.max()))
        differences.append(float(apart.mean()))
        classes, others = expected.argmax(axis=-1), found.argmax(axis=-1)
        changed.append(float((classes != others).mean()))
        before += confusion_matrix(mask, classes, count, ignore_index)
        after += confusion_matrix(mask, others, count, ignore_index)
        images += 1
    return ExportComparison(
        class_names,
        images,
        largest,
        float(np.mean(differences)),
        float(np.mean(changed)),
        tuple(iou(before).tolist()),
        tuple(iou(after).tolist()),
    )
