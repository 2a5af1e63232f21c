"""Parameters of the generator: named values with a unit, a range and a description.

Each parameter is a constant of the module that draws from it. `list_parameters` collects them for the documentation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["COIN_FLIP", "Chance", "Choice", "Range", "list_parameters", "parameters_as_markdown"]

_MODULES = (
    "layout",
    "silicon",
    "cells",
    "cracks",
    "areas",
    "interruptions",
    "blemishes",
    "camera",
    "module_plan",
    "module_brightness",
    "module_light",
    "scene",
    "viewpoint",
    "surroundings",
    "photograph_camera",
)


@dataclass(frozen=True)
class Range:
    """A number that is drawn from a range.

    Attributes:
        low: minimum.
        high: maximum.
        unit: "cell" is the side of the cell, "image" the side of the image, "brightness" the brightness of undisturbed
            silicon, "pixels at 256" pixels of an image with a side of 256 pixels.
        description: what the number is, and why the range is what it is.
        distribution: "uniform"; "low" or "high", where half of the values lie in the quarter of the range next to that
            end; or "log", uniform in the logarithm.
    """

    low: float
    high: float
    unit: str
    description: str
    distribution: Literal["uniform", "low", "high", "log"] = "uniform"

    def draw(self, rng: np.random.Generator) -> float:
        """Draw a value.

        Examples:
            >>> 2 <= Range(2, 3, "cell", "an example").draw(np.random.default_rng(0)) <= 3
            True
        """
        share = rng.random()
        if self.distribution == "log":
            return float(self.low * (self.high / self.low) ** share)
        if self.distribution == "high":
            return self.high - (self.high - self.low) * (share * share)
        return self.low + (self.high - self.low) * (
            share if self.distribution == "uniform" else share * share
        )

    def draw_many(self, rng: np.random.Generator, count: int) -> NDArray[np.float64]:
        """Draw several values of a uniform range."""
        self._check_uniform()
        return self.low + (self.high - self.low) * rng.random(count)

    def draw_int(self, rng: np.random.Generator) -> int:
        """Draw an integer of a uniform range, both ends included."""
        self._check_uniform()
        return int(rng.integers(int(self.low), int(self.high), endpoint=True))

    def _check_uniform(self) -> None:
        if self.distribution != "uniform":
            raise ValueError(f"{self}: not uniform; use draw() for one value at a time")


@dataclass(frozen=True)
class Chance:
    """The probability of an event, 0 to 1, and the event."""

    probability: float
    description: str

    def draw(self, rng: np.random.Generator) -> bool:
        """Draw whether the event happens.

        Examples:
            >>> Chance(1.0, "an example").draw(np.random.default_rng(0))
            True
        """
        return bool(rng.random() < self.probability)


COIN_FLIP = Chance(0.5, "one of two directions")


@dataclass(frozen=True)
class Choice:
    """Named kinds with the probability of each, and what they are kinds of."""

    probabilities: Mapping[str, float]
    description: str

    def draw(self, rng: np.random.Generator) -> str:
        """Draw a kind.

        Examples:
            >>> Choice({"this": 1.0, "that": 0.0}, "an example").draw(np.random.default_rng(0))
            'this'
        """
        rest = rng.random() * sum(self.probabilities.values())
        for name, probability in self.probabilities.items():
            rest -= probability
            if rest < 0:
                return name
        return name


def list_parameters() -> dict[str, Range | Chance | Choice]:
    """Return all parameters by name.

    Examples:
        >>> list_parameters()["BUSBARS"].description
        'number of flat busbars: 2 or 3 until 2015, 4 or 5 since'
    """
    modules = [import_module(f"solarseg.synthesis.{name}") for name in _MODULES]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, Range | Chance | Choice) and value is not COIN_FLIP
    }


def parameters_as_markdown() -> str:
    """Return the table of parameters that the documentation shows."""
    head = ["| name | range | unit | description |", "| --- | --- | --- | --- |"]
    rows = (
        f"| `{name}` | {_range_and_unit(parameter)} | {parameter.description} |"
        for name, parameter in list_parameters().items()
    )
    return "\n".join([*head, *rows])


def _range_and_unit(parameter: Range | Chance | Choice) -> str:
    if isinstance(parameter, Choice):
        kinds = (f"{name} {probability:g}" for name, probability in parameter.probabilities.items())
        return f"{', '.join(kinds)} | probability"
    if isinstance(parameter, Chance):
        return f"{parameter.probability:g} | probability"
    distribution = "" if parameter.distribution == "uniform" else f", {parameter.distribution}"
    return f"{parameter.low:.4g} to {parameter.high:.6g}{distribution} | {parameter.unit}"
