"""What cells and modules are drawn from: numbers with a name, a unit, a range and a reason.

Each stands in the file that draws from it; `table` gathers them for people to read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["EVEN", "Chance", "Choice", "Range", "as_markdown", "table"]

_DRAWN_FROM = ("layout", "silicon", "cells", "cracks", "areas", "interruptions", "blemishes", "camera")


@dataclass(frozen=True)
class Range:
    """A parameter of the generator.

    Attributes:
        low: least value.
        high: greatest value.
        unit: "cell" is the cell's side, "light" the brightness of undisturbed silicon, "image" the image's side.
        reason: why it lies there.
        likely: which values are: all alike ("even"), those near the least or the greatest, half of them lying in the
            quarter next to it ("low", "high"), or as many from 1 to 10 as from 10 to 100 ("log").
    """

    low: float
    high: float
    unit: str
    reason: str
    likely: Literal["even", "low", "high", "log"] = "even"

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value.

        Examples:
            >>> 2 <= Range(2, 3, "cell", "as an example").draw(np.random.default_rng(0)) <= 3
            True
        """
        share = rng.random()
        if self.likely == "log":
            return float(self.low * (self.high / self.low) ** share)
        if self.likely == "high":
            return self.high - (self.high - self.low) * (share * share)
        return self.low + (self.high - self.low) * (share if self.likely == "even" else share * share)

    def draw_many(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Draw some values of an even range."""
        self._check_even()
        return self.low + (self.high - self.low) * rng.random(count)

    def draw_int(self, rng: np.random.Generator) -> int:
        """Draw a whole number, likewise; both ends are included."""
        self._check_even()
        return int(rng.integers(int(self.low), int(self.high), endpoint=True))

    def _check_even(self) -> None:
        if self.likely != "even":
            raise ValueError(f"{self}: draw single values")


@dataclass(frozen=True)
class Chance:
    """A probability, 0 to 1, and what of."""

    probability: float
    reason: str

    def draw(self, rng: np.random.Generator) -> bool:
        """Draw whether it is so.

        Examples:
            >>> Chance(1.0, "of an example").draw(np.random.default_rng(0))
            True
        """
        return bool(rng.random() < self.probability)


EVEN = Chance(0.5, "of either way")


@dataclass(frozen=True)
class Choice:
    """Kinds of something, how likely each is, and what of."""

    shares: Mapping[str, float]
    reason: str

    def draw(self, rng: np.random.Generator) -> str:
        """Draw a kind.

        Examples:
            >>> Choice({"this": 1.0, "that": 0.0}, "of an example").draw(np.random.default_rng(0))
            'this'
        """
        left = rng.random() * sum(self.shares.values())
        for name, share in self.shares.items():
            left -= share
            if left < 0:
                return name
        return name


def table() -> dict[str, Range | Chance | Choice]:
    """All parameters by name.

    Examples:
        >>> table()["BUSBARS"].reason
        '2 and 3 until 2015, 4 and 5 since'
    """
    modules = [import_module(f"solarseg.synthesis.{name}") for name in _DRAWN_FROM]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, Range | Chance | Choice) and value is not EVEN
    }


def as_markdown() -> str:
    """The same for the documentation."""
    head = ["| name | range | unit | what, and why |", "| --- | --- | --- | --- |"]
    return "\n".join(
        [*head, *(f"| `{name}` | {_spell(one)} | {one.reason} |" for name, one in table().items())]
    )


def _spell(one: Range | Chance | Choice) -> str:
    if isinstance(one, Choice):
        return f"{', '.join(f'{name} {share:g}' for name, share in one.shares.items())} | probability"
    if isinstance(one, Chance):
        return f"{one.probability:g} | probability"
    likely = "" if one.likely == "even" else f", {one.likely}"
    return f"{one.low:.4g} to {one.high:.6g}{likely} | {one.unit}"
