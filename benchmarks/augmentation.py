"""Milliseconds to augment 8 images of 256x256 with their masks: kornia, torchvision and albumentations.

    python benchmarks/augmentation.py [--rounds 20]

Each library applies flips, rotation, scale, shift, brightness, contrast, gamma, noise and blur to every
image, with as many threads as torch takes. Images are random numbers. albumentations is measured if it is
installed; solarseg does not depend on it. torchvision has no random gamma, and changes contrast only of
images with one or three bands.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec

import kornia.augmentation as K
import numpy as np
import torch
from kornia.constants import Resample
from machine import describe
from torchvision import tv_tensors
from torchvision.transforms import v2

COUNT, SIDE = 8, 256


def use_kornia() -> Callable[[], object]:
    steps = K.AugmentationSequential(
        K.RandomHorizontalFlip(p=0.5),
        K.RandomRotation90((0, 3), p=1.0),
        K.RandomAffine(20.0, (0.1, 0.1), (0.8, 1.25), padding_mode="reflection", p=1.0),
        K.RandomBrightness((0.75, 1.25), p=1.0),
        K.RandomContrast((0.75, 1.25), p=1.0),
        K.RandomGamma((0.7, 1.5), p=1.0),
        K.RandomGaussianNoise(std=0.02, p=1.0),
        K.RandomGaussianBlur((3, 3), (0.1, 0.6), p=1.0),
        data_keys=["image", "mask"],
        extra_args={"mask": {"resample": Resample.NEAREST, "align_corners": None}},
    )
    images, masks = torch.rand(COUNT, 3, SIDE, SIDE), torch.zeros(COUNT, 1, SIDE, SIDE)
    return lambda: steps(images, masks)


def use_torchvision() -> Callable[[], object]:
    steps = v2.Compose(
        [
            v2.RandomHorizontalFlip(),
            v2.RandomAffine(20, (0.1, 0.1), (0.8, 1.25)),
            v2.ColorJitter(0.25, 0.25),
            v2.GaussianNoise(sigma=0.02),
            v2.GaussianBlur(3, (0.1, 0.6)),
        ]
    )
    pairs = [
        (
            tv_tensors.Image(torch.rand(3, SIDE, SIDE)),
            tv_tensors.Mask(torch.zeros(SIDE, SIDE, dtype=torch.uint8)),
        )
        for _ in range(COUNT)
    ]
    return lambda: [steps(image, mask) for image, mask in pairs]


def use_albumentations() -> Callable[[], object]:
    import albumentations as A  # type: ignore[import-not-found]

    steps = A.Compose(
        [
            A.HorizontalFlip(),
            A.RandomRotate90(),
            A.Affine(rotate=(-20, 20), translate_percent=(-0.1, 0.1), scale=(0.8, 1.25), p=1),
            A.RandomBrightnessContrast(0.25, 0.25, p=1),
            A.RandomGamma((70, 150), p=1),
            A.GaussNoise(p=1),
            A.GaussianBlur((3, 3), p=1),
        ]
    )
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    return lambda: [steps(image=image, mask=mask) for image in images]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20, help="timed calls of each library")
    rounds = parser.parse_args().rounds
    peers = {"kornia": use_kornia(), "torchvision": use_torchvision()}
    if find_spec("albumentations"):
        peers["albumentations"] = use_albumentations()
    print(describe("torch", "kornia", "torchvision"))
    taken: dict[str, list[float]] = {name: [] for name in peers}
    for augment in peers.values():
        augment()
    for _ in range(rounds):
        for name, augment in peers.items():
            start = time.perf_counter()
            augment()
            taken[name].append(1000 * (time.perf_counter() - start))
    for name, milliseconds in taken.items():
        print(f"{name}: {statistics.median(milliseconds):.0f} ms for {COUNT} images")


if __name__ == "__main__":
    main()
