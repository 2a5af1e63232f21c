"""Losses: what training lowers, one file for each.

Every loss is a module called ``loss(logits, target)`` that returns a scalar; `build_loss` makes one, or a
weighted sum of several, from its name. `solarseg.losses.base` says what logits and target are.
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
    """Build the loss, or the sum of losses, that a name describes.

    Args:
        name: a key of `LOSSES`, or a sum of them with optional positive factors, as in
            ``"jaccard+0.5*focal"``; spaces are allowed.
        num_classes: background included, at least 2; two classes share one logit.
        ignore_index: class id of pixels that must influence nothing, or None where there are none.
        class_weights: one weight for each class, background first, none negative; see
            `class_weights_from_frequency`. None weighs all alike.

    Raises:
        ArgumentError: the name cannot be read or is unknown, or the weights do not fit the classes.

    Examples:
        >>> build_loss("jaccard", num_classes=2)
        JaccardLoss(num_classes=2)
        >>> build_loss("dice + 0.5*focal", num_classes=4, ignore_index=255).factors
        (1.0, 0.5)
        >>> build_loss("iou", num_classes=2)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        solarseg.errors.ArgumentError: unknown loss 'iou'; choose one of: cross_entropy, dice, focal, ...
    """
    factors, names = zip(*(_read_term(term, name) for term in name.split("+")), strict=True)
    losses = [lookup("loss", LOSSES, each)(num_classes, ignore_index, class_weights) for each in names]
    return losses[0] if factors == (1.0,) else WeightedSum(factors, losses)


def _read_term(term: str, name: str) -> tuple[float, str]:
    """Read ``"0.5*focal"`` as ``(0.5, "focal")``; ``name`` is the whole sum, for the error message."""
    written, star, loss = term.rpartition("*")
    try:
        factor = float(written) if star else 1.0
    except ValueError:
        factor = math.nan
    if not (0 < factor < math.inf and loss.strip()):
        raise ArgumentError(
            f"loss '{name}': cannot read '{term.strip()}'; write names joined by +, each with an optional "
            f"positive factor, as in 'jaccard+0.5*focal'; the names are: {', '.join(LOSSES)}"
        )
    return factor, loss.strip()
