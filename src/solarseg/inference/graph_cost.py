"""What a graph costs: the shape of every tensor, the memory at once, and the number of operations.

A graph of a kilobyte can ask for any amount of memory and time, by enlarging, repeating or joining tensors. So the
shapes are computed here before a backend opens the file. The operators listed in `_RULES` are those that torch's
exporter writes for networks that take images; an operator whose output has no known shape cannot be used. They are
described at https://onnx.ai/onnx/operators.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.inference.graph import Constant, Graph, Node, show

__all__ = ["OPERATORS", "Cost", "compute_cost"]

_BYTES = 4  # of a number; the few tensors of eight bytes are small
_MAX_NUMBERS = 2**31  # in a tensor
_MAX_KNOWN = 4_096  # numbers in a tensor whose values are computed, as sizes are

Shape = tuple[int, ...]


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
    if node.operator not in _RULES:
        raise ValueError(f"the operator {show(node.operator)} is not one that solarseg writes")
    missing = [name for name in node.inputs if name and name not in known]
    if missing:
        raise ValueError(f"the input {show(missing[0])} of {node.operator} is not computed before it")
    call = _Call(node, [known[name] if name else None for name in node.inputs])
    try:
        shapes = _RULES[node.operator](call)
        values = call.evaluate(shapes)
    except (ValueError, IndexError, TypeError, ArithmeticError) as error:
        raise ValueError(f"{node.operator} cannot be computed ({error})") from error
    if len(node.outputs) > len(shapes):
        raise ValueError(f"{node.operator} has {len(node.outputs)} outputs; allowed are {len(shapes)}")
    for name, shape in zip(node.outputs, shapes, strict=False):
        if prod(shape) > _MAX_NUMBERS or min(shape, default=1) < (0 if len(shape) == 1 else 1):
            raise ValueError(f"{node.operator} would make a tensor of the shape {shape}")
        if name:
            yield name, Constant(shape, values), max(prod(shape), call.operations)


class _Call:
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
        return _axis(self.attribute("axis", default), rank)

    def evaluate(self, shapes: Sequence[Shape]) -> NDArray[Any] | None:
        """Compute the values of a small output, where all inputs are known."""
        function = _VALUES.get(self.node.operator)
        given = [each.values if each is not None else None for each in self.inputs]
        if function is None or len(shapes) != 1 or prod(shapes[0]) > _MAX_KNOWN:
            return None
        if any(each is None for each in given) and self.node.operator not in _NEED_NO_VALUES:
            return None
        found = np.asarray(function(self, *given))
        if found.shape != shapes[0]:
            raise ValueError(f"its shape is {found.shape}, not {shapes[0]}")
        return found


def _whole(value: object) -> Shape:
    if not isinstance(value, tuple) or not all(isinstance(each, int) for each in value):
        raise ValueError("a list of whole numbers is missing")
    return value


def _axis(axis: int, rank: int) -> int:
    if not -rank <= axis < max(rank, 1):
        raise ValueError(f"there is no axis {axis} of {rank}")
    return axis + rank if axis < 0 else axis


# Rules: each gives the shapes of the outputs of a node.


def _same(call: _Call) -> list[Shape]:
    return [call.shape()]


def _broadcast(call: _Call) -> list[Shape]:
    return [np.broadcast_shapes(*call.shapes())]


def _normalise(call: _Call) -> list[Shape]:
    """The output, and mean and deviation."""
    shape = call.shape()
    axis = call.axis(len(shape), -1)
    reduced = (*shape[:axis], *(1,) * (len(shape) - axis))
    return [shape, reduced, reduced]


def _convolve(call: _Call) -> list[Shape]:
    image, weights = call.shape(), call.shape(1)
    groups = call.attribute("group", 1)
    rank = len(image) - 2
    if (
        len(weights) != len(image)
        or rank < 1
        or groups < 1
        or image[1] != weights[1] * groups
        or weights[0] % groups
    ):
        raise ValueError(f"weights of the shape {weights} in {groups} groups do not fit {image}")
    if call.attributes("kernel_shape", weights[2:]) != weights[2:]:
        raise ValueError(f"weights of the shape {weights} have another kernel")
    shape = (image[0], weights[0], *_window(call, image[2:], weights[2:]))
    call.operations = prod(shape) * prod(weights[1:])
    return [shape]


def _convolve_transposed(call: _Call) -> list[Shape]:
    image, weights = call.shape(), call.shape(1)
    groups, rank = call.attribute("group", 1), len(image) - 2
    if len(weights) != len(image) or rank < 1 or groups < 1 or image[1] != weights[0]:
        raise ValueError(f"weights of the shape {weights} in {groups} groups do not fit {image}")
    strides, dilations = (call.attributes(name, (1,) * rank) for name in ("strides", "dilations"))
    pads, extra = call.attributes("pads", (0,) * 2 * rank), call.attributes("output_padding", (0,) * rank)
    if min(*strides, *dilations) < 1 or min(*pads, *extra) < 0:
        raise ValueError("strides, dilations or pads are negative")
    sides = [
        strides[i] * (image[2 + i] - 1)
        + dilations[i] * (weights[2 + i] - 1)
        + 1
        + extra[i]
        - pads[i]
        - pads[i + rank]
        for i in range(rank)
    ]
    shape = (image[0], weights[1] * groups, *sides)
    call.operations = prod(image) * prod(weights[1:])
    return [shape]


def _pool(call: _Call) -> list[Shape]:
    image, kernel = call.shape(), call.attributes("kernel_shape", ())
    if len(kernel) != len(image) - 2 or not kernel:
        raise ValueError(f"a window of the shape {kernel} does not fit {image}")
    shape = (*image[:2], *_window(call, image[2:], kernel))
    call.operations = prod(shape) * prod(kernel)
    return [shape]


def _window(call: _Call, sides: Shape, kernel: Shape) -> Shape:
    """Sides of what a window that moves over an image gives."""
    rank = len(sides)
    strides, dilations = (call.attributes(name, (1,) * rank) for name in ("strides", "dilations"))
    pads = call.attributes("pads", (0,) * 2 * rank)
    if (len(strides), len(dilations), len(pads)) != (rank, rank, 2 * rank):
        raise ValueError("strides, dilations or pads are not one for each side")
    if min(*strides, *dilations, *kernel) < 1 or min(pads) < 0:
        raise ValueError("strides, dilations or pads are negative")
    if call.node.attributes.get("auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER"):
        return tuple(ceil(side / stride) for side, stride in zip(sides, strides, strict=True))
    to_whole: Callable[[float], int] = ceil if call.attribute("ceil_mode", 0) else floor
    return tuple(
        to_whole((sides[i] + pads[i] + pads[i + rank] - dilations[i] * (kernel[i] - 1) - 1) / strides[i]) + 1
        for i in range(rank)
    )


def _pool_all(call: _Call) -> list[Shape]:
    image = call.shape()
    return [(*image[:2], *(1,) * (len(image) - 2))]


def _multiply(call: _Call) -> list[Shape]:
    left, right = call.shape(), call.shape(1)
    rows = left if len(left) > 1 else (1, *left)
    columns = right if len(right) > 1 else (*right, 1)
    if rows[-1] != columns[-2]:
        raise ValueError(f"{left} and {right} do not fit")
    shape: Shape = np.broadcast_shapes(rows[:-2], columns[:-2])
    shape += (rows[-2],) * (len(left) > 1) + (columns[-1],) * (len(right) > 1)
    call.operations = prod(shape) * rows[-1]
    return [shape]


def _multiply_add(call: _Call) -> list[Shape]:
    left, right = call.shape(), call.shape(1)
    left = left[::-1] if call.attribute("transA", 0) else left
    right = right[::-1] if call.attribute("transB", 0) else right
    if len(left) != 2 or len(right) != 2 or left[1] != right[0]:
        raise ValueError(f"{left} and {right} do not fit")
    call.operations = left[0] * left[1] * right[1]
    return [(left[0], right[1])]


def _einsum(call: _Call) -> list[Shape]:
    terms, _, result = str(call.node.attributes.get("equation", "")).replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    for term, shape in zip(terms.split(","), call.shapes(), strict=True):
        for letter, size in zip(term, shape, strict=True):
            if not letter.isalpha() or sizes.setdefault(letter, size) != size:
                raise ValueError(f"{show(terms)} does not fit")
    if not set(result) <= set(sizes):
        raise ValueError(f"{show(terms)} does not fit")
    call.operations = prod(sizes.values())
    return [tuple(sizes[letter] for letter in result)]


def _reduce(call: _Call) -> list[Shape]:
    axes, kept = _reduced_axes(call), call.attribute("keepdims", 1)
    return [tuple(1 if i in axes else side for i, side in enumerate(call.shape()) if kept or i not in axes)]


def _reduced_axes(call: _Call) -> set[int]:
    rank, given = len(call.shape()), call.integers(1, "axes")
    if not given:
        return set() if call.attribute("noop_with_empty_axes", 0) else set(range(rank))
    return {_axis(axis, rank) for axis in given}


def _pick_largest(call: _Call) -> list[Shape]:
    shape = call.shape()
    axis = call.axis(len(shape), 0)
    kept = (1,) if call.attribute("keepdims", 1) else ()
    return [(*shape[:axis], *kept, *shape[axis + 1 :])]


def _sort_largest(call: _Call) -> list[Shape]:
    shape, (count,) = call.shape(), call.required(1)
    axis = call.axis(len(shape), -1)
    if not 1 <= count <= shape[axis]:
        raise ValueError(f"there are no {count} of {shape[axis]}")
    found = (*shape[:axis], count, *shape[axis + 1 :])
    return [found, found]


def _reshape(call: _Call) -> list[Shape]:
    shape, wanted = call.shape(), call.required(1)
    if not call.attribute("allowzero", 0):
        wanted = tuple(shape[i] if side == 0 else side for i, side in enumerate(wanted))
    if wanted.count(-1) == 1:
        rest = -prod(wanted)
        wanted = tuple(prod(shape) // max(rest, 1) if side == -1 else side for side in wanted)
    if prod(wanted) != prod(shape) or min(wanted, default=1) < 0:
        raise ValueError(f"{shape} does not become {wanted}")
    return [wanted]


def _flatten(call: _Call) -> list[Shape]:
    shape, axis = call.shape(), call.attribute("axis", 1)
    axis = axis if axis == len(call.shape()) else _axis(axis, len(shape))
    return [(prod(shape[:axis]), prod(shape[axis:]))]


def _transpose(call: _Call) -> list[Shape]:
    shape = call.shape()
    order = call.attributes("perm", tuple(range(len(shape)))[::-1])
    if sorted(order) != list(range(len(shape))):
        raise ValueError(f"{order} is no order of {len(shape)} axes")
    return [tuple(shape[i] for i in order)]


def _squeeze(call: _Call) -> list[Shape]:
    shape, given = call.shape(), call.integers(1)
    axes = {_axis(axis, len(shape)) for axis in given or [i for i, side in enumerate(shape) if side == 1]}
    if any(shape[axis] != 1 for axis in axes):
        raise ValueError(f"{shape} has more along {sorted(axes)}")
    return [tuple(side for i, side in enumerate(shape) if i not in axes)]


def _unsqueeze(call: _Call) -> list[Shape]:
    shape, given = call.shape(), call.required(1)
    rank = len(shape) + len(given)
    axes = {_axis(axis, rank) for axis in given}
    rest = iter(shape)
    return [tuple(1 if i in axes else next(rest) for i in range(rank))]


def _join(call: _Call) -> list[Shape]:
    shapes = call.shapes()
    axis = call.axis(len(shapes[0]), 0)
    if len({(*shape[:axis], *shape[axis + 1 :], len(shape)) for shape in shapes}) != 1:
        raise ValueError(f"{shapes[0]} and others differ in more than axis {axis}")
    return [(*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])]


def _split(call: _Call) -> list[Shape]:
    shape, count = call.shape(), len(call.node.outputs)
    axis = call.axis(len(shape), 0)
    each = ceil(shape[axis] / max(count, 1))
    sizes = call.integers(1) or (*(each,) * (count - 1), shape[axis] - each * (count - 1))
    if sum(sizes) != shape[axis] or min(sizes, default=0) < 0:
        raise ValueError(f"{sizes} are no parts of {shape[axis]}")
    return [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]


def _slices(call: _Call) -> tuple[slice, ...]:
    shape, starts, ends = call.shape(), call.required(1), call.required(2)
    axes = call.integers(3) or tuple(range(len(starts)))
    steps = call.integers(4) or (1,) * len(starts)
    found = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # The end may be as far beyond the first number as -2**63, to include it where the step is negative.
        stop = None if step < 0 and end < -shape[_axis(axis, len(shape))] else end
        found[_axis(axis, len(shape))] = slice(start, stop, step)
    return tuple(found)


def _slice(call: _Call) -> list[Shape]:
    return [
        tuple(len(range(*one.indices(side))) for one, side in zip(_slices(call), call.shape(), strict=True))
    ]


def _gather(call: _Call) -> list[Shape]:
    shape, picked = call.shape(), call.shape(1)
    axis = call.axis(len(shape), 0)
    return [(*shape[:axis], *picked, *shape[axis + 1 :])]


def _gather_slices(call: _Call) -> list[Shape]:
    shape, picked, batch = call.shape(), call.shape(1), call.attribute("batch_dims", 0)
    return [(*picked[:-1], *shape[picked[-1] + batch :])]


def _like_indices(call: _Call) -> list[Shape]:
    return [call.shape(1)]


def _expand(call: _Call) -> list[Shape]:
    return [np.broadcast_shapes(call.shape(), call.required(1))]


def _repeat(call: _Call) -> list[Shape]:
    return [tuple(side * count for side, count in zip(call.shape(), call.required(1), strict=True))]


def _pad(call: _Call) -> list[Shape]:
    shape, pads = call.shape(), call.required(1)
    axes = call.integers(3) or tuple(range(len(shape)))
    if len(pads) != 2 * len(axes):
        raise ValueError(f"{len(pads)} pads do not fit {len(axes)} axes")
    sides = list(shape)
    for i, axis in enumerate(axes):
        sides[_axis(axis, len(shape))] += pads[i] + pads[i + len(axes)]
    return [tuple(sides)]


def _resize(call: _Call) -> list[Shape]:
    shape, sizes = call.shape(), call.integers(3)
    axes = call.attributes("axes", tuple(range(len(shape))))
    sides = list(shape)
    if sizes:
        wanted: Sequence[int] = sizes
    else:
        scales = call.inputs[2].values if len(call.inputs) > 2 and call.inputs[2] is not None else None
        if scales is None:
            raise ValueError("neither sizes nor scales are known")
        wanted = [floor(shape[axis] * float(scale)) for axis, scale in zip(axes, scales.ravel(), strict=True)]
    for axis, side in zip(axes, wanted, strict=True):
        sides[_axis(axis, len(shape))] = side
    return [tuple(sides)]


def _measure(call: _Call) -> list[Shape]:
    return [(len(_measured(call)),)]


def _measured(call: _Call) -> Shape:
    rank = len(call.shape())
    return call.shape()[slice(call.attribute("start", 0), call.attribute("end", rank))]


def _fill(call: _Call) -> list[Shape]:
    return [call.required(0)]


def _count(call: _Call) -> list[Shape]:
    start, end, step = (float(_scalar(given)) for given in call.inputs)
    return [(max(0, ceil((end - start) / step)),)]


def _scalar(given: Constant | None) -> Any:
    if given is None or given.values is None or given.values.size != 1:
        raise ValueError("a number is not known")
    return given.values.ravel()[0]


def _constant(call: _Call) -> list[Shape]:
    return [_constant_values(call)[0]]


def _constant_values(call: _Call) -> tuple[Shape, NDArray[Any] | None]:
    ((name, value),) = call.node.attributes.items()
    if isinstance(value, Constant):
        return value.shape, value.values
    if name not in ("value_int", "value_ints", "value_float", "value_floats"):
        raise ValueError(f"{show(name)} is no value")
    values = np.asarray(value)
    return values.shape, values


def _depth_to_space(call: _Call) -> list[Shape]:
    n, c, h, w = call.shape()
    block = call.attribute("blocksize", 0)
    return [(n, c // block**2, h * block, w * block)]


def _space_to_depth(call: _Call) -> list[Shape]:
    n, c, h, w = call.shape()
    block = call.attribute("blocksize", 0)
    return [(n, c * block**2, h // block, w // block)]


def _sample_grid(call: _Call) -> list[Shape]:
    image, grid = call.shape(), call.shape(1)
    return [(*image[:2], *grid[1:-1])]


Rule = Callable[[_Call], list[Shape]]

_ONE_INPUT = (
    "Abs Acos Acosh Asin Asinh Atan Atanh BatchNormalization BitwiseNot Cast CastLike Ceil Celu Clip Cos Cosh CumSum "
    "DequantizeLinear Elu Erf Exp Floor GroupNormalization HardSigmoid HardSwish Identity InstanceNormalization IsInf "
    "IsNaN LRN LeakyRelu Log LogSoftmax LpNormalization Mish Neg Not QuantizeLinear Reciprocal Relu Round "
    "ScatterElements ScatterND Selu Sigmoid Sign Sin Sinh Softmax Softplus Softsign Sqrt Tan Tanh Trilu"
)
_SEVERAL_INPUTS = (
    "Add And BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Min Mod Mul Or "
    "PRelu Pow Sub Sum Where Xor"
)
_REDUCTIONS = (
    "ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare"
)

_RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_ONE_INPUT.split(), _same),
    **dict.fromkeys(_SEVERAL_INPUTS.split(), _broadcast),
    **dict.fromkeys(_REDUCTIONS.split(), _reduce),
    "ArgMax": _pick_largest,
    "ArgMin": _pick_largest,
    "AveragePool": _pool,
    "Concat": _join,
    "Constant": _constant,
    "ConstantOfShape": _fill,
    "Conv": _convolve,
    "ConvTranspose": _convolve_transposed,
    "DepthToSpace": _depth_to_space,
    "Einsum": _einsum,
    "Expand": _expand,
    "Flatten": _flatten,
    "Gather": _gather,
    "GatherElements": _like_indices,
    "GatherND": _gather_slices,
    "Gemm": _multiply_add,
    "GlobalAveragePool": _pool_all,
    "GlobalMaxPool": _pool_all,
    "GridSample": _sample_grid,
    "LayerNormalization": _normalise,
    "MatMul": _multiply,
    "MaxPool": _pool,
    "Pad": _pad,
    "Range": _count,
    "Reshape": _reshape,
    "Resize": _resize,
    "Shape": _measure,
    "Size": lambda call: [()],
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _squeeze,
    "Tile": _repeat,
    "TopK": _sort_largest,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
OPERATORS = frozenset(_RULES)

# Values of small tensors, from which sizes are computed; what is given after the call are the values of the inputs.
Values = Callable[..., Any]

_NEED_NO_VALUES = {"Constant", "Resize", "Shape", "Size"}


def _divide(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    return left // right if left.dtype.kind in "iu" else left / right  # sizes are not negative


_VALUES: Mapping[str, Values] = {
    "Add": lambda call, a, b: a + b,
    "Cast": lambda call, a: a.astype("f8" if call.attribute("to", 0) in (1, 10, 11) else "i8"),
    "Ceil": lambda call, a: np.ceil(a),
    "Concat": lambda call, *all: np.concatenate(all, axis=call.attribute("axis", 0)),
    "Constant": lambda call: _constant_values(call)[1],
    "ConstantOfShape": lambda call, a: np.zeros(a.astype(int)) + _fill_value(call),
    "Div": lambda call, a, b: _divide(a, b),
    "Equal": lambda call, a, b: a == b,
    "Expand": lambda call, a, b: np.broadcast_to(a, np.broadcast_shapes(a.shape, tuple(b))),
    "Floor": lambda call, a: np.floor(a),
    "Gather": lambda call, a, b: np.take(a, b.astype(int), axis=call.attribute("axis", 0)),
    "Identity": lambda call, a: a,
    "Max": lambda call, *all: np.maximum.reduce(all),
    "Min": lambda call, *all: np.minimum.reduce(all),
    "Mod": lambda call, a, b: np.mod(a, b),
    "Mul": lambda call, a, b: a * b,
    "Neg": lambda call, a: -a,
    "Range": lambda call, a, b, c: np.arange(a.item(), b.item(), c.item()),
    "ReduceProd": lambda call, a, *_: a.prod(tuple(_reduced_axes(call))).reshape(_reduce(call)[0]),
    "Reshape": lambda call, a, b: a.reshape(_reshape(call)[0]),
    "Shape": lambda call, *_: np.array(_measured(call), np.int64),
    "Size": lambda call, *_: np.array(prod(call.shape())),
    "Slice": lambda call, a, *_: a[_slices(call)],
    "Sqrt": lambda call, a: np.sqrt(a),
    "Squeeze": lambda call, a, *_: a.reshape(_squeeze(call)[0]),
    "Sub": lambda call, a, b: a - b,
    "Transpose": lambda call, a: a.reshape(_transpose(call)[0]) if a.ndim < 2 else None,
    "Unsqueeze": lambda call, a, *_: a.reshape(_unsqueeze(call)[0]),
    "Where": lambda call, a, b, c: np.where(a, b, c),
}


def _fill_value(call: _Call) -> Any:
    value = call.node.attributes.get("value")
    return 0 if value is None else _scalar(value if isinstance(value, Constant) else None)
