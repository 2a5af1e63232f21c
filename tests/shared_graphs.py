"""Exports that share the work of torch: networks of one structure differ by their weights alone."""

import copy
import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import onnxscript.optimizer
import pytest
import torch
from filelock import FileLock
from onnx import numpy_helper

Export = Callable[[torch.nn.Module, torch.Tensor, Path, dict[int, Any]], None]


def share(export: Export, folder: Path) -> Export:
    """Export each structure once, and write the weights of further networks of that structure into its graph.

    An export takes 9 to 16 seconds, of any network. That the file gives the network's probabilities is checked by
    `solarseg.networks.export.check_export` as always. The graph is shared before torch optimises it, because that
    merges weights.
    """

    def to_onnx(module: torch.nn.Module, example: torch.Tensor, path: Path, shapes: dict[int, Any]) -> None:
        graph = folder / f"{_digest(module, example, shapes)}.onnx"
        with FileLock(f"{graph}.lock"):
            if not graph.exists():
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(torch.onnx, "export", partial(torch.onnx.export, optimize=False))
                    export(_with_different_weights(module), example, graph, shapes)
        model, weights = onnx.load(graph), module.state_dict()
        for tensor in model.graph.initializer:
            if tensor.name in weights:
                tensor.CopyFrom(numpy_helper.from_array(weights[tensor.name].numpy(), tensor.name))
        onnx.save(onnxscript.optimizer.optimize(model), path)

    return to_onnx


def _with_different_weights(module: torch.nn.Module) -> torch.nn.Module:
    """Return a copy of a network in which no two weights are equal: torch writes equal ones once."""
    other = copy.deepcopy(module)
    generator = torch.Generator().manual_seed(0)
    for weight in other.state_dict().values():
        if weight.is_floating_point():
            weight.copy_(torch.rand(weight.shape, generator=generator) + 0.5)
    return other


def _digest(module: torch.nn.Module, example: torch.Tensor, shapes: dict[int, Any]) -> str:
    weights = [(name, str(weight.shape), str(weight.dtype)) for name, weight in module.state_dict().items()]
    constants = [
        (name, value) for name, value in sorted(vars(module).items()) if isinstance(value, int | float)
    ]
    structure = (repr(module), weights, constants, str(example.shape), str(example.dtype), repr(shapes))
    return hashlib.sha256(repr(structure).encode()).hexdigest()[:16]
