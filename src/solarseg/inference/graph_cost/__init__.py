"""What a graph costs: the shape of every tensor, the memory at once, and the number of operations.

A graph of a kilobyte can ask for any amount of memory and time, by enlarging, repeating or joining tensors. So the
shapes are computed here before a backend opens the file. The operators with a rule here are those that torch's
exporter writes for networks that take images; an operator whose output has no known shape cannot be used. They are
described at https://onnx.ai/onnx/operators.
"""

from solarseg.inference.graph_cost.cost import Cost, compute_cost

__all__ = ["Cost", "compute_cost"]
