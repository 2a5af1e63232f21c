"""A node with its inputs, as the rules for shapes take it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from solarseg.inference.graph import Constant, Node

__all__ = ["Call", "Operator", "Shape", "find_axis", "scalar"]

Shape = tuple[int, ...]


class Call:
    """A node with its inputs."""

    def __init__(self, node: Node, inputs: Sequence[Constant | None]) -> None:
        self.node = node
        self.inputs = inputs
        self.operations = 0  # where they are more than the numbers of the output

    def shape(self, number: int = 0) -> Shape:
        """Return the shape of an input that must be given."""
        given = self.inputs[number]
        if given is None:
            raise ValueError(f"input {number} is not given")
        return given.shape

    def shapes(self) -> list[Shape]:
        """Return the shapes of the inputs that are given."""
        return [given.shape for given in self.inputs if given is not None]

    def integers(self, number: int, name: str = "") -> Shape | None:
        """Return the values of an input, or else of an attribute; None where neither is given."""
        given = self.inputs[number] if number < len(self.inputs) else None
        if given is None:
            found = self.node.attributes.get(name)
            return None if found is None else _whole(found)
        if given.values is None:
            raise ValueError(f"the values of input {number} are not known")
        return tuple(int(value) for value in given.values.ravel())

    def required(self, number: int) -> Shape:
        """Return the values of an input that must be given."""
        found = self.integers(number)
        if found is None:
            raise ValueError(f"input {number} is not given")
        return found

    def attribute(self, name: str, default: int) -> int:
        """Return an attribute that is one whole number."""
        found = self.node.attributes.get(name, default)
        if not isinstance(found, int):
            raise ValueError(f"{name} is no whole number")
        return found

    def attributes(self, name: str, default: Shape) -> Shape:
        """Return an attribute that is a list of whole numbers."""
        return _whole(self.node.attributes.get(name, default))

    def axis(self, rank: int, default: int) -> int:
        """Return the attribute ``axis``, from 0 on."""
        return find_axis(self.attribute("axis", default), rank)


@dataclass(frozen=True)
class Operator:
    """What is known of an operator.

    Attributes:
        shapes: gives the shapes of the outputs of a node.
        values: gives the values of the output, from which sizes are computed, from the node and the values of its
            inputs; None for operators that compute no sizes.
        needs_values: whether ``values`` needs those of the inputs.
    """

    shapes: Callable[[Call], list[Shape]]
    values: Callable[..., Any] | None = None
    needs_values: bool = True


def _whole(value: object) -> Shape:
    if not isinstance(value, tuple) or not all(isinstance(each, int) for each in value):
        raise ValueError("a list of whole numbers is missing")
    return value


def find_axis(axis: int, rank: int) -> int:
    """Return the number of an axis, from 0 on."""
    if not -rank <= axis < max(rank, 1):
        raise ValueError(f"there is no axis {axis} of {rank}")
    return axis + rank if axis < 0 else axis


def scalar(given: Constant | None) -> Any:
    """Return the one value of a tensor."""
    if given is None or given.values is None or given.values.size != 1:
        raise ValueError("a number is not known")
    return given.values.ravel()[0]
