"""A weighted sum of losses."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["WeightedSum"]


class WeightedSum(nn.Module):
    """A sum of losses, each multiplied by a factor.

    Examples:
        >>> from solarseg.losses.dice import DiceLoss
        >>> from solarseg.losses.jaccard import JaccardLoss
        >>> loss = WeightedSum([1.0, 0.5], [JaccardLoss(num_classes=2), DiceLoss(num_classes=2)])
        >>> logits, target = torch.zeros(1, 1, 1, 2), torch.tensor([[[1, 0]]])
        >>> round(loss(logits, target).item(), 4)  # 2/3 + 0.5 * 1/2
        0.9167
    """

    def __init__(self, factors: Sequence[float], losses: Sequence[nn.Module]) -> None:
        super().__init__()
        self.factors = tuple(factors)
        self.losses = nn.ModuleList(losses)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the sum, a scalar; see `solarseg.losses.base.SegmentationLoss` for the arguments."""
        terms = [
            factor * loss(logits, target) for factor, loss in zip(self.factors, self.losses, strict=True)
        ]
        return torch.stack(terms).sum()

    def extra_repr(self) -> str:
        """Show the factors."""
        return f"factors={self.factors}"
