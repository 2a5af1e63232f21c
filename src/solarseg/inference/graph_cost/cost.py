"""The cost of a graph, node by node."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.inference.graph import Constant, Graph, Node, show
from solarseg.inference.graph_cost.arrangement import ARRANGEMENT
from solarseg.inference.graph_cost.call import Call, Operator, Shape
from solarseg.inference.graph_cost.constants import CONSTANTS
from solarseg.inference.graph_cost.elementwise import ELEMENTWISE
from solarseg.inference.graph_cost.products import PRODUCTS
from solarseg.inference.graph_cost.reductions import REDUCTIONS
from solarseg.inference.graph_cost.sampling import SAMPLING
from solarseg.inference.graph_cost.windows import WINDOWS

__all__ = ["Cost", "compute_cost"]


_BYTES = 4  # of a number; the few tensors of eight bytes are small
_MAX_NUMBERS = 2**31  # in a tensor
_MAX_KNOWN = 4_096  # numbers in a tensor whose values are computed, as sizes are

_OPERATORS: Mapping[str, Operator] = {
    **ELEMENTWISE,
    **WINDOWS,
    **PRODUCTS,
    **REDUCTIONS,
    **ARRANGEMENT,
    **SAMPLING,
    **CONSTANTS,
}


@dataclass(frozen=True)
class Cost:
    """What a graph costs.

    Attributes:
        shapes: name -> shape of each output of the graph.
        memory: most bytes of tensors that are needed at once, without the constants.
        operations: multiplications and additions, or one for each number of an output.
    """

    shapes: Mapping[str, Shape]
    memory: int
    operations: int


def compute_cost(graph: Graph, inputs: Mapping[str, Shape]) -> Cost:
    """Compute the cost of a graph, for inputs of known shapes.

    Args:
        graph: see `solarseg.inference.graph.read_graph`.
        inputs: name -> shape.

    Raises:
        ValueError: a node cannot be computed, or its output is too large or of unknown size; the message says what.
    """
    known = dict(graph.constants) | {name: Constant(shape, None) for name, shape in inputs.items()}
    last = _last_uses(graph)
    needed: dict[str, int] = {name: _size(shape) for name, shape in inputs.items()}
    memory = at_once = sum(needed.values())
    operations = 0
    for number, node in enumerate(graph.nodes):
        for name, output, work in _run(node, known):
            if name in known:
                raise ValueError(f"the tensor {show(name)} is computed twice")
            known[name] = output
            needed[name] = _size(output.shape)
            at_once += needed[name]
            operations += work
        memory = max(memory, at_once)
        for name in {*node.inputs, *node.outputs}:
            if last.get(name, -1) <= number:
                at_once -= needed.pop(name, 0)
    missing = [port.name for port in graph.outputs if port.name not in known]
    if missing:
        raise ValueError(f"the output {show(missing[0])} is not computed")
    return Cost({port.name: known[port.name].shape for port in graph.outputs}, memory, operations)


def _last_uses(graph: Graph) -> dict[str, int]:
    """Number of the last node that takes each tensor."""
    last = {name: number for number, node in enumerate(graph.nodes) for name in node.inputs}
    return last | {port.name: len(graph.nodes) for port in graph.outputs}


def _size(shape: Shape) -> int:
    return _BYTES * prod(shape)


def _run(node: Node, known: Mapping[str, Constant]) -> Iterable[tuple[str, Constant, int]]:
    """Give name, output and number of operations of each output of a node."""
    operator = _OPERATORS.get(node.operator)
    if operator is None:
        raise ValueError(f"the operator {show(node.operator)} is not one that solarseg writes")
    missing = [name for name in node.inputs if name and name not in known]
    if missing:
        raise ValueError(f"the input {show(missing[0])} of {node.operator} is not computed before it")
    call = Call(node, [known[name] if name else None for name in node.inputs])
    try:
        shapes = operator.shapes(call)
        values = _evaluate(operator, call, shapes)
    except (ValueError, IndexError, TypeError, ArithmeticError) as error:
        raise ValueError(f"{node.operator} cannot be computed ({error})") from error
    if len(node.outputs) > len(shapes):
        raise ValueError(f"{node.operator} has {len(node.outputs)} outputs; allowed are {len(shapes)}")
    for name, shape in zip(node.outputs, shapes, strict=False):
        if prod(shape) > _MAX_NUMBERS or min(shape, default=1) < (0 if len(shape) == 1 else 1):
            raise ValueError(f"{node.operator} would make a tensor of the shape {shape}")
        if name:
            yield name, Constant(shape, values), max(prod(shape), call.operations)


def _evaluate(operator: Operator, call: Call, shapes: Sequence[Shape]) -> NDArray[Any] | None:
    """Compute the values of a small output, where all inputs are known."""
    given = [each.values if each is not None else None for each in call.inputs]
    if operator.values is None or len(shapes) != 1 or prod(shapes[0]) > _MAX_KNOWN:
        return None
    if operator.needs_values and any(each is None for each in given):
        return None
    found = np.asarray(operator.values(call, *given))
    if found.shape != shapes[0]:
        raise ValueError(f"its shape is {found.shape}, not {shapes[0]}")
    return found
