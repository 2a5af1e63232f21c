"""Images a second of a training step with augmentation: solarseg and a plain script.

    python benchmarks/train_step.py [DATASET] [--image-size 256] [--rounds 5] [--compile]

Without DATASET, EL cells are generated; only the size of the images matters for the time. All train a
ResNet34 U-Net on the same batches of 8 in one process. They take turns, so that other work on the machine
affects all alike. The plain script is benchmarks/plain.py in eager float32. The others are solarseg in
float32 (the same precision), once without keeping freed memory, and solarseg with its default precision
(bfloat16 if the machine has it). Each is `Task.training_step` with the optimiser's step, as Lightning calls
them. --compile adds float32 with torch.compile, and prints how long compiling took. On a machine with a GPU
all run there.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from generated import open_tiles
from machine import describe
from plain import BATCH, Plain, load

from solarseg.losses import build_loss
from solarseg.networks.network import build_network
from solarseg.preprocessing import Preprocessing
from solarseg.training.config import TrainConfig
from solarseg.training.hardware import choose_precision, keep_freed_memory
from solarseg.training.task import Task

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
PEER = "plain float32"


class Ours:
    """solarseg's training step, outside Lightning's loop, so that the peers can take turns."""

    def __init__(
        self,
        images: torch.Tensor,
        masks: torch.Tensor,
        precision: str,
        *,
        keep_memory: bool = True,
        compiled: bool = False,
    ) -> None:
        torch.manual_seed(0)
        self.images, self.masks = (images * 255).round().to(torch.uint8), masks[:, 0].to(torch.uint8)
        preprocessing = Preprocessing(images.shape[-1], mean=(0.4,) * 3, std=(0.2,) * 3)
        network = build_network("resnet34", 2, preprocessing)
        self.task = Task(
            network, build_loss("jaccard", 2), TrainConfig(), num_classes=2, ignore_index=None, depth="uint8"
        )
        self.task.to(DEVICE, memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
        if compiled:
            network.compile()
        self.precision = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)
        self.around = keep_freed_memory if keep_memory else nullcontext
        self.steps = 0

    def step(self) -> None:
        self.steps += 1
        chosen = torch.randperm(len(self.images))[:BATCH]
        batch = self.images[chosen].to(DEVICE), self.masks[chosen].to(DEVICE)
        self.optimizer.zero_grad()
        with torch.autocast(DEVICE, self.precision) if self.precision else nullcontext():
            loss = self.task.training_step(batch, self.steps)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.task.parameters(), 1.0)
        self.optimizer.step()


class Theirs:
    """A training step of the plain script."""

    around = nullcontext

    def __init__(self, images: torch.Tensor, masks: torch.Tensor) -> None:
        self.plain = Plain(images, masks, epochs=10_000)
        self.plain.network.to(DEVICE)
        self.batches = self.plain.batches()

    def step(self) -> None:
        batch = next(self.batches, None)
        if batch is None or len(batch[0]) < BATCH:
            self.batches = self.plain.batches()
            batch = next(self.batches)
        self.plain.step(batch[0].to(DEVICE), batch[1].to(DEVICE))


def seconds_per_step(step: Callable[[], None], steps: int, around: AbstractContextManager[None]) -> float:
    """Return the mean of some steps, after one that allocates memory."""
    with around:
        step()
        synchronize()
        start = time.perf_counter()
        for _ in range(steps):
            step()
        synchronize()
        return (time.perf_counter() - start) / steps


def synchronize() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def measure(
    dataset: Path | None, image_size: int, rounds: int, compiled: bool, steps: int = 4
) -> dict[str, list[float]]:
    """Return seconds of a step by name, one value a round."""
    data = open_tiles(dataset)
    images, masks = load(data, data.names[:32])
    if images.shape[-1] != image_size:
        images = torch.nn.functional.interpolate(images, image_size)
        masks = torch.nn.functional.interpolate(masks, image_size)
    default = choose_precision("auto")
    scripts: dict[str, Theirs | Ours] = {
        PEER: Theirs(images, masks),
        "solarseg float32": Ours(images, masks, "32-true"),
        "solarseg float32, freed memory not kept": Ours(images, masks, "32-true", keep_memory=False),
        f"solarseg default ({default})": Ours(images, masks, default),
    }
    if compiled:
        scripts["solarseg float32, compiled"] = compiled_step = Ours(images, masks, "32-true", compiled=True)
        start = time.perf_counter()
        compiled_step.step()
        print(f"compiling took {time.perf_counter() - start:.0f} s")
    taken: dict[str, list[float]] = {name: [] for name in scripts}
    for _ in range(rounds):
        for name, script in scripts.items():
            taken[name].append(seconds_per_step(script.step, steps, script.around()))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path, nargs="?", help="dataset folder (default: generated)")
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5, help="timed turns of each")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message=".*self.log.*")  # there is no Lightning loop to log to
    taken = measure(options.dataset, options.image_size, options.rounds, options.compile)
    print(describe("torch", "segmentation-models-pytorch"))
    print(f"{DEVICE}, {torch.get_num_threads()} threads, {options.image_size} pixels, batch {BATCH}")
    print("| step | images/s | times the plain script (median; lowest to highest of the rounds) |")
    print("| --- | ---: | ---: |")
    for name, seconds in taken.items():
        ratios = [theirs / ours for theirs, ours in zip(taken[PEER], seconds, strict=True)]
        print(f"| {name} | {BATCH / statistics.median(seconds):.1f} | "
              f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |")  # fmt: skip


if __name__ == "__main__":
    main()
