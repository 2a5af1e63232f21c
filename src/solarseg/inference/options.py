"""How images are predicted: tiles, symmetries and thresholds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from solarseg.classes import ClassMap
from solarseg.errors import ArgumentError
from solarseg.inference.tiling import Tiling

__all__ = ["PredictOptions"]


@dataclass(frozen=True)
class PredictOptions:
    """How images are predicted.

    Attributes:
        tile: side in pixels of the tiles that images are split into, 0 for never; by default images that are
            georeferenced, or more than twice as large as the training images, are split into tiles as large as these.
        overlap: least number of pixels that neighbouring tiles share; by default a quarter of a tile.
        tta: average over the eight symmetries of each image or tile (test-time augmentation).
        thresholds: class name -> minimum probability for that class, 0 to 1. Where several classes reach theirs, the
            most probable of these is chosen; where none does, the most probable of the classes without a threshold.

    Raises:
        ArgumentError: a tile, an overlap or a threshold out of range.

    Examples:
        >>> PredictOptions(tile=512, thresholds={"crack": 0.4})
        PredictOptions(tile=512, overlap=None, tta=False, thresholds={'crack': 0.4})
        >>> PredictOptions(thresholds={"crack": 4})
        Traceback (most recent call last):
        solarseg.errors.ArgumentError: `thresholds={'crack': 4}`: must be from 0 to 1
    """

    tile: int | None = None
    overlap: int | None = None
    tta: bool = False
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "thresholds", dict(self.thresholds))
        if self.tile:
            Tiling(1, 1, self.tile, self.overlap or 0)  # raises what is wrong with them
        elif self.tile == 0 and self.overlap is not None:
            raise ArgumentError(f"`overlap={self.overlap}`: has no effect without tiles; leave out `tile=0`")
        elif self.overlap is not None and self.overlap < 0:
            raise ArgumentError(f"`overlap={self.overlap}`: must be 0 or more")
        for name, threshold in self.thresholds.items():
            if not 0 <= threshold <= 1:
                raise ArgumentError(f"`thresholds={{'{name}': {threshold:g}}}`: must be from 0 to 1")

    def changed(self) -> dict[str, Any]:
        """Return the options that are not the default.

        Examples:
            >>> PredictOptions(tta=True, thresholds={"crack": 0.4}).changed()
            {'tta': True, 'thresholds': {'crack': 0.4}}
        """
        default = asdict(PredictOptions())
        return {name: value for name, value in asdict(self).items() if value != default[name]}

    def check_classes(self, classes: ClassMap) -> None:
        """Raise `ArgumentError` where a threshold is for a class that the model does not know."""
        for name in self.thresholds:
            if name not in classes.names:
                raise ArgumentError(
                    f"`thresholds`: the model has no class '{name}'; it has {', '.join(classes.names)}"
                )
