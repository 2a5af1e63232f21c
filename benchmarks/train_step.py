"""Images per second of a training step, augmentation included, against a plain script.

    python benchmarks/train_step.py DATASET [--image-size 256] [--rounds 5]

Both train a ResNet34 U-Net on the same batches of 8 in the same process, taking turns, so that a busy
moment of the machine hits both. The plain script is benchmarks/plain.py in eager float32; beside it stand
solarseg in float32 (the same precision), and solarseg as it runs by default (bfloat16 where the machine
has it). On a machine with a GPU both run there.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from plain import BATCH, Plain, load

from solarseg.losses import build_loss
from solarseg.networks.network import build_network
from solarseg.preprocessing import Preprocessing
from solarseg.training.augmentation import Augmentation
from solarseg.training.hardware import choose_precision, keep_freed_memory

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Ours:
    """A training step of solarseg, outside Lightning, so that steps can take turns."""

    def __init__(self, images: torch.Tensor, masks: torch.Tensor, precision: str) -> None:
        torch.manual_seed(0)
        self.images, self.masks = (images * 255).round().to(torch.uint8), masks[:, 0].to(torch.uint8)
        preprocessing = Preprocessing(images.shape[-1], mean=(0.4,) * 3, std=(0.2,) * 3)
        network = build_network("resnet34", 2, preprocessing).to(DEVICE, memory_format=torch.channels_last)
        self.network, self.loss, self.augment = (
            network.train(),
            build_loss("jaccard", 2),
            Augmentation("strong"),
        )
        self.optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
        self.precision = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}.get(precision)
        self.steps = 0

    def autocast(self) -> AbstractContextManager[object]:
        return torch.autocast(DEVICE, self.precision) if self.precision else nullcontext()

    def step(self) -> None:
        self.steps += 1
        chosen = torch.randperm(len(self.images))[:BATCH]
        images, masks = self.images[chosen].to(DEVICE), self.masks[chosen].to(DEVICE)
        images, masks = self.augment(images.float() / 255, masks, self.steps)
        self.optimizer.zero_grad()
        with self.autocast():
            loss = self.loss(self.network(images.contiguous(memory_format=torch.channels_last)), masks)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()


class Theirs:
    """A training step of the plain script."""

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
    """Mean of some steps, after one that settles memory."""
    with around:
        step()
        synchronize()
        began = time.perf_counter()
        for _ in range(steps):
            step()
        synchronize()
        return (time.perf_counter() - began) / steps


def synchronize() -> None:
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def measure(dataset: Path, image_size: int = 256, rounds: int = 5, steps: int = 4) -> dict[str, list[float]]:
    """Seconds of a step, one value a round, for each of the three."""
    names = sorted(path.stem for path in (dataset / "images").glob("*.png"))[:32]
    images, masks = load(dataset, names)
    if images.shape[-1] != image_size:
        images = torch.nn.functional.interpolate(images, image_size)
        masks = torch.nn.functional.interpolate(masks, image_size)
    default = choose_precision("auto")
    theirs = Theirs(images, masks)
    ours = {name: Ours(images, masks, precision) for name, precision in
            (("solarseg float32", "32-true"), (f"solarseg default ({default})", default))}  # fmt: skip
    taken: dict[str, list[float]] = {"plain float32": [], **{name: [] for name in ours}}
    for _ in range(rounds):
        taken["plain float32"].append(seconds_per_step(theirs.step, steps, nullcontext()))
        for name, each in ours.items():
            taken[name].append(seconds_per_step(each.step, steps, keep_freed_memory()))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    taken = measure(options.dataset, options.image_size, options.rounds)
    peer = taken["plain float32"]
    print(f"{DEVICE}, {torch.get_num_threads()} threads, {options.image_size} pixels, batch {BATCH}")
    print("| step | images/s | times the plain script (median; least to most over rounds) |")
    print("| --- | ---: | ---: |")
    for name, seconds in taken.items():
        ratios = [theirs / ours for theirs, ours in zip(peer, seconds, strict=True)]
        print(f"| {name} | {BATCH / statistics.median(seconds):.1f} | "
              f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) |")  # fmt: skip


if __name__ == "__main__":
    main()
