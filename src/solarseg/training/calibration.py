"""How sure a network may be: the temperature that makes its probabilities as high as they are right."""

from math import isfinite
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from solarseg.classes import IGNORE_INDEX
from solarseg.networks.network import Network
from solarseg.preprocessing import DEPTH_SCALE, Depth
from solarseg.training.datamodule import TrainingData

__all__ = ["calibrate", "fit_temperature"]

_IMAGES = 64  # looked at, at most
_PIXELS = 4096  # of each
# Never more confident: what a few val images allow is wrong on new sites (docs/results/not-helpful.md). And a val
# split that is all wrong would have it infinitely unsure.
_LEAST, _MOST = 1.0, 20.0


def calibrate(network: Network, images: TrainingData, depth: Depth) -> float:
    """Fit the temperature of a network on images it did not learn from.

    Args:
        network: on any device; it is left as it was, in evaluation mode.
        images: of the val split.
        depth: of the images.

    Returns:
        Divisor of the logits; 1 if there are no images.
    """
    if not len(images):
        return 1.0
    device = next(network.parameters()).device
    found = []
    network.eval()
    for number in range(0, len(images), max(1, len(images) // _IMAGES)):
        image, mask = images[number]
        with torch.inference_mode():
            logits = network(image[None].to(device, torch.float32) / DEPTH_SCALE[depth])[0].cpu().float()
        found.append(_draw(logits, mask, number))
    logits, truth = (torch.cat(parts) for parts in zip(*found, strict=True))
    return fit_temperature(logits, truth)


def _draw(logits: Tensor, mask: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Draw some pixels: ``(P, K)`` logits of all classes, and ``(P,)`` class ids."""
    if len(logits) == 1:
        logits = torch.cat([torch.zeros_like(logits), logits])  # softmax of (0, z) is sigmoid of z
    valid = torch.nonzero(mask.flatten() != IGNORE_INDEX).flatten()
    order = torch.randperm(len(valid), generator=torch.Generator().manual_seed(seed))
    chosen = valid[order[:_PIXELS]]
    return logits.flatten(1).T[chosen], mask.flatten()[chosen].long()


def fit_temperature(logits: Tensor, truth: Tensor) -> float:
    """Find the temperature of the least negative log-likelihood (Guo et al. 2017, arXiv:1706.04599).

    Args:
        logits: ``(P, K) float32``.
        truth: ``(P,) int64`` class ids.

    Returns:
        From 1 to 20, so that probabilities are only ever made less sure; 1 where there are no pixels, or logits that
        are not finite.

    Examples:
        >>> sure = torch.tensor([[0.0, 4.0]]).repeat(4, 1)
        >>> round(fit_temperature(sure, torch.tensor([1, 1, 1, 0])), 2)  # right three times in four: 4 / log(3)
        3.64
    """
    if not len(truth) or not torch.isfinite(logits).all():
        return 1.0
    logits = logits.double()
    inverse = torch.zeros((), dtype=torch.float64, requires_grad=True)  # logarithm of 1 / temperature
    optimizer = torch.optim.LBFGS([inverse], max_iter=100, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(logits * inverse.exp(), truth)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    temperature = float(torch.exp(-inverse.detach()))
    return min(max(temperature, _LEAST), _MOST) if isfinite(temperature) else 1.0
