"""Operators that take some numbers of a tensor, or take them several times."""

from collections.abc import Mapping, Sequence
from math import floor

import numpy as np

from solarseg.inference.graph_cost.call import Call, Operator, Shape, find_axis

__all__ = ["SAMPLING"]


def _slices(call: Call) -> tuple[slice, ...]:
    shape, starts, ends = call.shape(), call.required(1), call.required(2)
    axes = call.integers(3) or tuple(range(len(starts)))
    steps = call.integers(4) or (1,) * len(starts)
    found = [slice(None)] * len(shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # The end may be as far beyond the first number as -2**63, to include it where the step is negative.
        stop = None if step < 0 and end < -shape[find_axis(axis, len(shape))] else end
        found[find_axis(axis, len(shape))] = slice(start, stop, step)
    return tuple(found)


def _slice(call: Call) -> list[Shape]:
    return [
        tuple(len(range(*one.indices(side))) for one, side in zip(_slices(call), call.shape(), strict=True))
    ]


def _gather(call: Call) -> list[Shape]:
    shape, picked = call.shape(), call.shape(1)
    axis = call.axis(len(shape), 0)
    return [(*shape[:axis], *picked, *shape[axis + 1 :])]


def _gather_slices(call: Call) -> list[Shape]:
    shape, picked, batch = call.shape(), call.shape(1), call.attribute("batch_dims", 0)
    return [(*picked[:-1], *shape[picked[-1] + batch :])]


def _expand(call: Call) -> list[Shape]:
    return [np.broadcast_shapes(call.shape(), call.required(1))]


def _repeat(call: Call) -> list[Shape]:
    return [tuple(side * count for side, count in zip(call.shape(), call.required(1), strict=True))]


def _pad(call: Call) -> list[Shape]:
    shape, pads = call.shape(), call.required(1)
    axes = call.integers(3) or tuple(range(len(shape)))
    if len(pads) != 2 * len(axes):
        raise ValueError(f"{len(pads)} pads do not fit {len(axes)} axes")
    sides = list(shape)
    for i, axis in enumerate(axes):
        sides[find_axis(axis, len(shape))] += pads[i] + pads[i + len(axes)]
    return [tuple(sides)]


def _resize(call: Call) -> list[Shape]:
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
        sides[find_axis(axis, len(shape))] = side
    return [tuple(sides)]


def _sample_grid(call: Call) -> list[Shape]:
    image, grid = call.shape(), call.shape(1)
    return [(*image[:2], *grid[1:-1])]


SAMPLING: Mapping[str, Operator] = {
    "Expand": Operator(
        _expand, lambda call, a, b: np.broadcast_to(a, np.broadcast_shapes(a.shape, tuple(b)))
    ),
    "Gather": Operator(_gather, lambda call, a, b: np.take(a, b.astype(int), axis=call.attribute("axis", 0))),
    "GatherND": Operator(_gather_slices),
    "GridSample": Operator(_sample_grid),
    "Pad": Operator(_pad),
    "Resize": Operator(_resize),
    "Slice": Operator(_slice, lambda call, a, *_: a[_slices(call)]),
    "Tile": Operator(_repeat),
}
