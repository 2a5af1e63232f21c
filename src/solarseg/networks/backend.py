"""PyTorch as a backend, which computes the network of a run folder from its best checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from solarseg.errors import ArgumentError, ModelFileError, reason_of
from solarseg.inference.backends import Compute
from solarseg.inference.model_file import ModelInfo
from solarseg.networks.network import Network, SelfContained, build_network
from solarseg.runs import RunFolder

__all__ = ["load_network", "open_model"]

_PREFIX = "network."  # of the network's weights in a checkpoint, which also contains those of the loss


def load_network(path: Path, info: ModelInfo) -> Network:
    """Build the network that a model file was exported from, with the weights of its run folder.

    Raises:
        ModelFileError: the file is not in a run folder, or the checkpoint does not fit.
    """
    run = RunFolder(path.parent)
    file = run.weights
    network = build_network(info.encoder, len(info.class_names), info.preprocessing)
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
        network.load_state_dict(
            {name.removeprefix(_PREFIX): value for name, value in state.items() if name.startswith(_PREFIX)}
        )
    except FileNotFoundError as error:
        raise ModelFileError(
            f"{path}: torch needs {run.best}, which is missing; give the run folder"
        ) from error
    except Exception as error:  # damaged archives raise many kinds of errors
        raise ModelFileError(
            f"{file}: damaged, or of another network ({reason_of(error, file)}); train again"
        ) from error
    return network.eval()


def open_model(path: Path, info: ModelInfo, device: str, threads: int) -> Compute:
    """Open a model file; see `solarseg.inference.backends.open_backend`."""
    if info.precision == "int8":
        raise ArgumentError(
            "`backend='torch'`: computes no int8; use `backend='onnxruntime'` or `backend='openvino'`"
        )
    if device == "cuda" and not torch.cuda.is_available():
        raise ArgumentError("`device='cuda'`: torch finds no GPU; check nvidia-smi, or use `device='cpu'`")
    torch.set_num_threads(threads)
    network = load_network(path, info)
    module = SelfContained(network, info.preprocessing, info.temperature).eval().to(device)
    module = module.to(memory_format=torch.channels_last)
    halved = info.precision == "float16" and device == "cuda"

    def compute(images: NDArray[Any]) -> NDArray[np.float32]:
        with torch.inference_mode(), torch.autocast(device, torch.float16, enabled=halved):
            result: NDArray[np.float32] = module(torch.from_numpy(images).to(device)).float().cpu().numpy()
        return result

    return compute
