"""Augmentation of image and mask together, a batch at a time, on the device that trains.

kornia does it: it takes any number of bands, draws for each image of the batch, and runs on the GPU as
on the CPU. Others are faster on two cores (benchmarks/augmentation.py), which a training step does not
notice; but albumentations is no longer maintained under a licence we can use, and torchvision changes
contrast only of images with one or three bands.
"""

from collections.abc import Sequence

import kornia.augmentation as K
import torch
from kornia.constants import Resample
from torch import Tensor

from solarseg.classes import IGNORE_INDEX

__all__ = ["Augmentation", "add_glare"]


def _light() -> list[torch.nn.Module]:
    return [
        K.RandomHorizontalFlip(p=0.5),
        K.RandomVerticalFlip(p=0.5),
        K.RandomRotation90(times=(0, 3), p=1.0),
    ]


def _standard() -> list[torch.nn.Module]:
    # Each change beyond flips and turns is rare: some seven in ten images keep their scale, brightness and
    # sharpness. Made more often, they cost short trainings more than they taught (docs/results/not-helpful.md). Blur is
    # weak: cracks and the lines between cells are one or two pixels wide.
    return [
        *_light(),
        K.RandomAffine(
            degrees=20.0, translate=(0.1, 0.1), scale=(0.8, 1.25), padding_mode="reflection", p=0.1
        ),
        K.RandomBrightness((0.75, 1.25), p=0.05),
        K.RandomContrast((0.75, 1.25), p=0.05),
        K.RandomGamma((0.7, 1.5), p=0.05),
        K.RandomGaussianNoise(std=0.02, p=0.05),
        K.RandomGaussianBlur((3, 3), (0.1, 0.6), p=0.05),
    ]


_KINDS = {"none": list, "light": _light, "standard": _standard, "outdoor": _standard}

# Glare: seen at the mirror angle, glass shows the sky and not what is under it.
_GLARE_SHARE = 0.4  # of images
_GLARE_VEIL = (0.4, 0.95)  # share of light that comes from the sky
_GLARE_SKY = (0.8, 1.0)  # its brightness
_GLARE_TINT = 0.03  # its difference between bands, either way


class Augmentation:
    """Random changes to a batch that leave image and mask in register.

    Args:
        kind: ``"standard"``, ``"outdoor"``, ``"light"`` or ``"none"``.
        low: per band, the value that counts as black.
        high: per band, the value that counts as white. Strengths are shares of this range, so that a 12-bit
            sensor in a 16-bit file is changed as much as a picture that fills its depth.

    The same seed gives the same changes, whatever was drawn before, so that a resumed training sees what
    an unbroken one would have seen.
    """

    def __init__(self, kind: str, low: Sequence[float] = (0.0,), high: Sequence[float] = (1.0,)) -> None:
        steps = _KINDS[kind]()
        nearest = {"mask": {"resample": Resample.NEAREST, "align_corners": None}}
        self._glare = kind == "outdoor"
        self._low = torch.tensor(low).view(1, -1, 1, 1)
        self._span = torch.tensor(high).view(1, -1, 1, 1) - self._low
        self._pipeline = (
            K.AugmentationSequential(*steps, data_keys=["image", "mask"], extra_args=nearest)
            if steps
            else None
        )

    def __call__(self, images: Tensor, masks: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Change a batch.

        Args:
            images: ``(N, C, H, W)`` floats from ``low`` to ``high``.
            masks: ``(N, H, W) uint8`` class ids.
            seed: of this batch.

        Returns:
            Both, of the shapes and dtypes they came in, images within their range.
        """
        if self._pipeline is None:
            return images, masks
        device = images.device
        low, span = self._low.to(device), self._span.to(device)
        # Coordinates and class ids do not survive the 8 bits of precision that a network trains well with.
        exact = torch.autocast(device.type, enabled=False)
        with exact, torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            changed, moved = self._pipeline((images - low) / span, masks[:, None].to(images.dtype))
            moved = moved[:, 0].round().clamp(0, IGNORE_INDEX).to(masks.dtype)
            if self._glare:
                changed = add_glare(changed, (moved > 0) & (moved != IGNORE_INDEX))
        return low + span * changed.clamp(0, 1), moved


def add_glare(images: Tensor, panels: Tensor) -> Tensor:
    """Veil the panels of some images with the light of the sky, leaving a trace of their texture.

    Args:
        images: ``(N, C, H, W)`` floats in [0, 1].
        panels: ``(N, H, W) bool``, where the glass is.
    """
    count, bands = images.shape[:2]

    def draw(low: float, high: float, columns: int = 1) -> Tensor:
        return torch.empty(count, columns, 1, 1).uniform_(low, high).to(images.device)

    chosen = draw(0, 1) < _GLARE_SHARE
    veil = draw(*_GLARE_VEIL) * (chosen & panels[:, None])
    sky = draw(*_GLARE_SKY) + draw(-_GLARE_TINT, _GLARE_TINT, bands)
    return images * (1 - veil) + sky * veil
