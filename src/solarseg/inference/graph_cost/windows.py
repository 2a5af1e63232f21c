"""Operators that move a window over an image: convolutions and pooling."""

from collections.abc import Callable, Mapping
from math import ceil, floor, prod

from solarseg.inference.graph_cost.call import Call, Operator, Shape

__all__ = ["WINDOWS"]


def _convolve(call: Call) -> list[Shape]:
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


def _convolve_transposed(call: Call) -> list[Shape]:
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


def _pool(call: Call) -> list[Shape]:
    image, kernel = call.shape(), call.attributes("kernel_shape", ())
    if len(kernel) != len(image) - 2 or not kernel:
        raise ValueError(f"a window of the shape {kernel} does not fit {image}")
    shape = (*image[:2], *_window(call, image[2:], kernel))
    call.operations = prod(shape) * prod(kernel)
    return [shape]


def _window(call: Call, sides: Shape, kernel: Shape) -> Shape:
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


def _pool_all(call: Call) -> list[Shape]:
    image = call.shape()
    return [(*image[:2], *(1,) * (len(image) - 2))]


WINDOWS: Mapping[str, Operator] = {
    "AveragePool": Operator(_pool),
    "Conv": Operator(_convolve),
    "ConvTranspose": Operator(_convolve_transposed),
    "GlobalAveragePool": Operator(_pool_all),
    "GlobalMaxPool": Operator(_pool_all),
    "MaxPool": Operator(_pool),
}
