"""Losses for training, one per file.

A loss is a module: ``loss(logits, target)`` returns a scalar. `build_loss` builds one loss, or a weighted sum of
losses, from its name. `solarseg.losses.base` defines logits and target.
"""

import math
from collections.abc import Sequence

from torch import nn

from solarseg.errors import ArgumentError
from solarseg.losses.weighted_sum import WeightedSum
from solarseg.losses.weights import class_weights_from_frequency
from solarseg.registry import lookup

__all__ = ["LOSSES", "build_loss", "class_weights_from_frequency"]

LOSSES = {
    "cross_entropy": "solarseg.losses.cross_entropy:CrossEntropyLoss",
    "dice": "solarseg.losses.dice:DiceLoss",
    "focal": "solarseg.losses.focal:FocalLoss",
    "jaccard": "solarseg.losses.jaccard:JaccardLoss",
    "lovasz": "solarseg.losses.lovasz:LovaszLoss",
    "tversky": "solarseg.losses.tversky:TverskyLoss",
}


def build_loss(
    name: str,
    num_classes: int,
    ignore_index: int | None = None,
    class_weights: Sequence[float] | None = None,
) -> nn.Module:
    """Build a loss, or a weighted sum of losses, from its name.

    Args:
        name: a key of `LOSSES`, or a sum of keys with optional positive factors, for example
            ``"jaccard+0.5*focal"``; spaces are allowed.
        num_classes: number of classes including background, at least 2; two classes share one logit.
        ignore_index: class id of ignored pixels, or ``None`` if there are none.
        class_weights: one weight per class, 0 or more, background first; see `class_weights_from_frequency`.
            ``None`` gives every class the same weight.

    Raises:
        ArgumentError: the name is malformed or unknown, or the weights do not match the classes.

    Examples:
        >>> build_loss("jaccard", num_classes=2)
        JaccardLoss(num_classes=2)
        >>> build_loss("dice + 0.5*focal", num_classes=4, ignore_index=255).factors
        (1.0, 0.5)
        >>> build_loss("iou", num_classes=2)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        solarseg.errors.ArgumentError: `loss='iou'`: must be one of cross_entropy, dice, focal, ...
    """
    factors, names = zip(*(_parse_term(term, name) for term in name.split("+")), strict=True)
    losses = [lookup("loss", LOSSES, each)(num_classes, ignore_index, class_weights) for each in names]
    return losses[0] if factors == (1.0,) else WeightedSum(factors, losses)


def _parse_term(term: str, name: str) -> tuple[float, str]:
    """Parse ``"0.5*focal"`` to ``(0.5, "focal")``; ``name`` is the whole sum, for the error message."""
    text, star, loss = term.rpartition("*")
    try:
        factor = float(text) if star else 1.0
    except ValueError:
        factor = math.nan
    if not (0 < factor < math.inf and loss.strip()):
        raise ArgumentError(
            f"loss '{name}': '{term.strip()}' is not a name with an optional positive factor, as in "
            f"'jaccard+0.5*focal'; the names are: {', '.join(LOSSES)}"
        )
    return factor, loss.strip()
