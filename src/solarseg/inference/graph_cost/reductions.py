"""Operators that reduce an axis: sums, means, and the largest of an axis."""

from collections.abc import Mapping

from solarseg.inference.graph_cost.call import Call, Operator, Shape, find_axis

__all__ = ["REDUCTIONS"]


_NAMES = (
    "ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare"
)


def _reduce(call: Call) -> list[Shape]:
    axes, kept = _reduced_axes(call), call.attribute("keepdims", 1)
    return [tuple(1 if i in axes else side for i, side in enumerate(call.shape()) if kept or i not in axes)]


def _reduced_axes(call: Call) -> set[int]:
    rank, given = len(call.shape()), call.integers(1, "axes")
    if not given:
        return set() if call.attribute("noop_with_empty_axes", 0) else set(range(rank))
    return {find_axis(axis, rank) for axis in given}


def _pick_largest(call: Call) -> list[Shape]:
    shape = call.shape()
    axis = call.axis(len(shape), 0)
    kept = (1,) if call.attribute("keepdims", 1) else ()
    return [(*shape[:axis], *kept, *shape[axis + 1 :])]


def _sort_largest(call: Call) -> list[Shape]:
    shape, (count,) = call.shape(), call.required(1)
    axis = call.axis(len(shape), -1)
    if not 1 <= count <= shape[axis]:
        raise ValueError(f"there are no {count} of {shape[axis]}")
    found = (*shape[:axis], count, *shape[axis + 1 :])
    return [found, found]


REDUCTIONS: Mapping[str, Operator] = {
    **dict.fromkeys(_NAMES.split(), Operator(_reduce)),
    "ArgMax": Operator(_pick_largest),
    "ArgMin": Operator(_pick_largest),
    "ReduceProd": Operator(
        _reduce, lambda call, a, *_: a.prod(tuple(_reduced_axes(call))).reshape(_reduce(call)[0])
    ),
    "TopK": Operator(_sort_largest),
}
