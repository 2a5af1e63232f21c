"""Operators that arrange the same numbers in another way: other shapes, order, joined or split."""

from collections.abc import Mapping
from math import ceil, prod

import numpy as np

from solarseg.inference.graph_cost.call import Call, Operator, Shape, find_axis

__all__ = ["ARRANGEMENT"]


def _reshape(call: Call) -> list[Shape]:
    shape, wanted = call.shape(), call.required(1)
    if not call.attribute("allowzero", 0):
        wanted = tuple(shape[i] if side == 0 else side for i, side in enumerate(wanted))
    if wanted.count(-1) == 1:
        rest = -prod(wanted)
        wanted = tuple(prod(shape) // max(rest, 1) if side == -1 else side for side in wanted)
    if prod(wanted) != prod(shape) or min(wanted, default=1) < 0:
        raise ValueError(f"{shape} does not become {wanted}")
    return [wanted]


def _flatten(call: Call) -> list[Shape]:
    shape, axis = call.shape(), call.attribute("axis", 1)
    axis = axis if axis == len(call.shape()) else find_axis(axis, len(shape))
    return [(prod(shape[:axis]), prod(shape[axis:]))]


def _transpose(call: Call) -> list[Shape]:
    shape = call.shape()
    order = call.attributes("perm", tuple(range(len(shape)))[::-1])
    if sorted(order) != list(range(len(shape))):
        raise ValueError(f"{order} is no order of {len(shape)} axes")
    return [tuple(shape[i] for i in order)]


def _squeeze(call: Call) -> list[Shape]:
    shape, given = call.shape(), call.integers(1)
    axes = {find_axis(axis, len(shape)) for axis in given or [i for i, side in enumerate(shape) if side == 1]}
    if any(shape[axis] != 1 for axis in axes):
        raise ValueError(f"{shape} has more along {sorted(axes)}")
    return [tuple(side for i, side in enumerate(shape) if i not in axes)]


def _unsqueeze(call: Call) -> list[Shape]:
    shape, given = call.shape(), call.required(1)
    rank = len(shape) + len(given)
    axes = {find_axis(axis, rank) for axis in given}
    rest = iter(shape)
    return [tuple(1 if i in axes else next(rest) for i in range(rank))]


def _join(call: Call) -> list[Shape]:
    shapes = call.shapes()
    axis = call.axis(len(shapes[0]), 0)
    if len({(*shape[:axis], *shape[axis + 1 :], len(shape)) for shape in shapes}) != 1:
        raise ValueError(f"{shapes[0]} and others differ in more than axis {axis}")
    return [(*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])]


def _split(call: Call) -> list[Shape]:
    shape, count = call.shape(), len(call.node.outputs)
    axis = call.axis(len(shape), 0)
    each = ceil(shape[axis] / max(count, 1))
    sizes = call.integers(1) or (*(each,) * (count - 1), shape[axis] - each * (count - 1))
    if sum(sizes) != shape[axis] or min(sizes, default=0) < 0:
        raise ValueError(f"{sizes} are no parts of {shape[axis]}")
    return [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes]


def _depth_to_space(call: Call) -> list[Shape]:
    n, c, h, w = call.shape()
    block = call.attribute("blocksize", 0)
    return [(n, c // block**2, h * block, w * block)]


def _space_to_depth(call: Call) -> list[Shape]:
    n, c, h, w = call.shape()
    block = call.attribute("blocksize", 0)
    return [(n, c * block**2, h // block, w // block)]


ARRANGEMENT: Mapping[str, Operator] = {
    "Concat": Operator(_join, lambda call, *all: np.concatenate(all, axis=call.attribute("axis", 0))),
    "DepthToSpace": Operator(_depth_to_space),
    "Flatten": Operator(_flatten),
    "Reshape": Operator(_reshape, lambda call, a, b: a.reshape(_reshape(call)[0])),
    "SpaceToDepth": Operator(_space_to_depth),
    "Split": Operator(_split),
    "Squeeze": Operator(_squeeze, lambda call, a, *_: a.reshape(_squeeze(call)[0])),
    "Transpose": Operator(_transpose, lambda call, a: a.reshape(_transpose(call)[0]) if a.ndim < 2 else None),
    "Unsqueeze": Operator(_unsqueeze, lambda call, a, *_: a.reshape(_unsqueeze(call)[0])),
}
