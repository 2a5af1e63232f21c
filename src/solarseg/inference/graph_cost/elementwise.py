"""Operators whose output has the shape of an input, or to which all inputs are broadcast."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from solarseg.inference.graph_cost.call import Call, Operator, Shape

__all__ = ["ELEMENTWISE"]


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


def _same(call: Call) -> list[Shape]:
    return [call.shape()]


def _broadcast(call: Call) -> list[Shape]:
    return [np.broadcast_shapes(*call.shapes())]


def _normalise(call: Call) -> list[Shape]:
    """The output, and mean and deviation."""
    shape = call.shape()
    axis = call.axis(len(shape), -1)
    reduced = (*shape[:axis], *(1,) * (len(shape) - axis))
    return [shape, reduced, reduced]


def _like_indices(call: Call) -> list[Shape]:
    return [call.shape(1)]


def _divide(left: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    return left // right if left.dtype.kind in "iu" else left / right  # sizes are not negative


ELEMENTWISE: Mapping[str, Operator] = {
    **dict.fromkeys(_ONE_INPUT.split(), Operator(_same)),
    **dict.fromkeys(_SEVERAL_INPUTS.split(), Operator(_broadcast)),
    "Add": Operator(_broadcast, lambda call, a, b: a + b),
    "Cast": Operator(
        _same, lambda call, a: a.astype("f8" if call.attribute("to", 0) in (1, 10, 11) else "i8")
    ),
    "Ceil": Operator(_same, lambda call, a: np.ceil(a)),
    "Div": Operator(_broadcast, lambda call, a, b: _divide(a, b)),
    "Equal": Operator(_broadcast, lambda call, a, b: a == b),
    "Floor": Operator(_same, lambda call, a: np.floor(a)),
    "GatherElements": Operator(_like_indices),
    "Identity": Operator(_same, lambda call, a: a),
    "LayerNormalization": Operator(_normalise),
    "Max": Operator(_broadcast, lambda call, *all: np.maximum.reduce(all)),
    "Min": Operator(_broadcast, lambda call, *all: np.minimum.reduce(all)),
    "Mod": Operator(_broadcast, lambda call, a, b: np.mod(a, b)),
    "Mul": Operator(_broadcast, lambda call, a, b: a * b),
    "Neg": Operator(_same, lambda call, a: -a),
    "Sqrt": Operator(_same, lambda call, a: np.sqrt(a)),
    "Sub": Operator(_broadcast, lambda call, a, b: a - b),
    "Where": Operator(_broadcast, lambda call, a, b, c: np.where(a, b, c)),
}
