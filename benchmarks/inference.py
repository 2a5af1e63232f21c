"""Milliseconds an image: a model file with each backend, and the same network in eager PyTorch.

    python benchmarks/inference.py [MODEL ...] [--batches 1 8] [--seconds 3]

The peer is what a user of segmentation-models-pytorch runs: `smp.Unet(encoder)` in eager float32, on
normalised input, without softmax; for an encoder that the library does not have, the network of solarseg. The
model files take images as they are in files and give probabilities. All use the same number of threads and
take turns in one process, so that other work on the machine affects all alike; times are medians. OpenVINO's
own default, which computes float32 weights in bfloat16 if the processor has it, is a row of its own: solarseg
uses it only for exports in half precision.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import segmentation_models_pytorch as smp
import torch
from machine import describe

from solarseg.errors import SolarsegError
from solarseg.inference import timing
from solarseg.inference.backends import openvino
from solarseg.inference.model import Model, load_model
from solarseg.networks.unet import build_unet
from solarseg.threads import count_cores

PEER = "eager PyTorch"
Call = Callable[[], object]


def peer(model: Model, batch: int) -> Call:
    info = model.info
    outputs = 1 if len(info.class_names) == 2 else len(info.class_names)
    try:
        network = smp.Unet(info.encoder, encoder_weights=None, in_channels=info.bands, classes=outputs)
    except KeyError:
        network = build_unet(info.encoder, len(info.class_names), info.bands)
    images = torch.rand(batch, info.bands, info.image_size, info.image_size)
    network.eval()

    def call() -> torch.Tensor:
        with torch.inference_mode():
            return network(images)

    return call


def ours(path: Path, backend: str, batch: int) -> Call:
    model = load_model(path, backend=backend)
    images = timing.generate_inputs(model, batch)
    return lambda: model.probabilities(images)


def in_bfloat16(path: Path, batch: int) -> Call:
    model = load_model(path)
    compute = openvino.open_model(
        path, model.info.model_copy(update={"precision": "float16"}), "cpu", count_cores()
    )
    images = timing.generate_inputs(model, batch)
    return lambda: compute(images)


def calls(model: Model, batch: int) -> dict[str, Call]:
    found: dict[str, Call] = {PEER: peer(model, batch)}
    for backend in ("onnxruntime", "openvino", "torch"):
        try:
            found[backend] = ours(model.path, backend, batch)
        except SolarsegError as error:
            print(f"  {backend}: {error}")
    if "openvino" in found and model.info.precision == "float32":
        found["openvino, in bfloat16"] = in_bfloat16(model.path, batch)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", default=["el-cell"], help="model files, run folders or names")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8])
    parser.add_argument(
        "--seconds", type=float, default=3.0, help="measured time of each backend and batch size"
    )
    options = parser.parse_args()
    timing.SECONDS = options.seconds
    torch.set_num_threads(count_cores())
    print(describe("torch", "segmentation-models-pytorch", "onnxruntime", "openvino"))
    for path in options.models:
        model = load_model(path)
        size = model.path.stat().st_size / 1e6
        print(
            f"\n{path}: {model.info.encoder}, {model.info.precision}, {model.info.image_size} pixels, {size:.1f} MB"
        )
        for batch in options.batches:
            turns = calls(model, batch)
            for call in turns.values():
                call()  # the first call takes longer
            taken = timing.take_turns(turns)
            for name, seconds in taken.items():
                print(
                    f"  batch {batch}  {name:<22} {1000 * seconds / batch:7.1f} ms an image  "
                    f"{taken[PEER] / seconds:5.2f} times {PEER}"
                )


if __name__ == "__main__":
    main()
