"""A loss in which each row counts what its owner says.

The weights travel beside the targets, as a second column of the same tensor: whatever
takes or shuffles rows keeps the two together.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from gradatim.tables.model.quantiles import pinball_losses

__all__ = ["WeightedRows", "balanced", "with_weights"]


class WeightedRows(nn.Module):
    """The mean of the rows' losses, each times its weight.

    It is not divided by the weights of the batch: where the weights of all training
    rows are 1 on average, each update then has the gradient that the weighted mean of
    all rows has on average, however the batches fall.

    Args:
        task: ``"regression"``, ``"binary"`` or ``"classification"``.
        quantiles: Those of the target that are predicted in place of its mean, if any.

    >>> outputs, targets = torch.tensor([1.0, 2.0]), torch.tensor([2.0, 4.0])
    >>> pairs = with_weights(targets, torch.tensor([1.0, 3.0]), torch.tensor([0, 1]))
    >>> WeightedRows("regression")(outputs, pairs)  # (0.5 * 1 + 1.5 * 4) / 2
    tensor(3.2500)
    """

    def __init__(self, task: str, quantiles: Sequence[float] = ()) -> None:
        super().__init__()
        self.task = task
        self.quantiles = tuple(quantiles)

    def forward(
        self, outputs: Float[Tensor, "batch ..."], pairs: Float[Tensor, "batch 2"]
    ) -> Float[Tensor, ""]:
        """Give the loss of a batch; ``pairs`` are targets and weights."""
        targets, weights = pairs.unbind(dim=1)
        if self.quantiles:
            losses = pinball_losses(outputs, targets, self.quantiles).mean(dim=1)
        elif self.task == "regression":
            losses = (outputs - targets).square()
        elif self.task == "binary":
            losses = nn.functional.binary_cross_entropy_with_logits(
                outputs, targets, reduction="none"
            )
        else:
            losses = nn.functional.cross_entropy(
                outputs, targets.long(), reduction="none"
            )
        return (losses * weights).mean()

    def extra_repr(self) -> str:
        """Say for which task it is, or of which quantiles."""
        return f"{self.quantiles}" if self.quantiles else self.task


def with_weights(
    targets: Shaped[Tensor, " rows"],
    weights: Float[Tensor, " rows"],
    *parts: Tensor,
) -> Float[Tensor, "rows 2"]:
    """Put the weights beside the targets, scaled to 1 on average in each of ``parts``.

    A part is the numbers of its rows: the training rows, or the validation rows.
    """
    scaled = weights.double().clone()
    for rows in parts:
        if len(rows):
            scaled[rows] /= scaled[rows].mean()
    return torch.stack([targets.float(), scaled.float()], dim=1)


def balanced(
    y: Int[Tensor, " rows"],
    weights: Float[Tensor, " rows"] | None,
    train: Int[Tensor, " train_rows"],
    num_classes: int,
) -> Float[Tensor, " rows"]:
    """Give weights by which all classes count the same in the training rows.

    ``weights``, where there are some, are what the rows count within their class.

    >>> balanced(torch.tensor([0, 0, 0, 1]), None, torch.arange(4), 2)
    tensor([0.6667, 0.6667, 0.6667, 2.0000], dtype=torch.float64)
    """
    of_rows = torch.ones(len(y)).double() if weights is None else weights.double()
    totals = torch.bincount(y[train], of_rows[train], minlength=num_classes)
    factors = totals.sum() / (num_classes * totals)
    return of_rows * factors[y]
