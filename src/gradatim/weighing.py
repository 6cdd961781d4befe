"""How much the loss of a batch counts in the mean over many batches."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from gradatim.losses import LossFn, loss_option, reduction, weighs_targets
from gradatim.rows import num_rows, rows_or_none

__all__ = ["Weighing"]


class Weighing:
    """How much the loss of a batch counts in the mean over many batches.

    Means of batches, weighted so, give the mean of the whole: rows as a rule; for
    ``CrossEntropyLoss`` and ``NLLLoss`` what PyTorch divides by, the summed class
    weights of the targets that are not ignored.

    Args:
        loss_fn: The loss whose means are joined.
        loss_weight: Decides instead, given ``y`` or, with ``forward=``, the batch.
        own_forward: The batch goes through the user's ``forward``, which alone knows
            the targets.

    Attributes:
        sums: Whether the loss is a sum over its batch, which is added as it is.
        needs_targets: Whether :meth:`keep_targets` must be given the targets of a batch
            before it is weighed.
        of_batch: Weighs a batch, as a tuple. It never waits for the device: a weight
            that lies on one is returned as a tensor.
        samples_of: Counts the samples of a batch, before its update: its rows. None
            where they cannot be counted and something else weighs the loss: what the
            batch weighs counts instead. If nothing else does, it is a ``DataError``.

    >>> import torch
    >>> from torch import nn
    >>> x, y = torch.zeros(3, 2), torch.tensor([0, 1, -100])
    >>> Weighing(nn.MSELoss()).of_batch((x, y))
    3
    >>> Weighing(nn.CrossEntropyLoss()).of_batch((x, y))
    tensor(2)
    """

    def __init__(
        self,
        loss_fn: LossFn,
        *,
        loss_weight: Callable[[Any], float | Tensor] | None = None,
        own_forward: bool = False,
    ) -> None:
        self.sums = reduction(loss_fn) == "sum"
        self.needs_targets = False
        self.of_batch: Callable[[Any], float | Tensor] = num_rows
        self._targets: Any = None
        if loss_weight is not None and own_forward:
            self.of_batch = lambda batch: loss_weight(
                batch[0] if len(batch) == 1 else batch
            )
        elif loss_weight is not None:
            self.of_batch = lambda batch: loss_weight(batch[1])
        elif weighs_targets(loss_fn):
            self._class_weight: Tensor | None = loss_option(loss_fn, "weight", None)
            self._ignore_index: int = loss_option(loss_fn, "ignore_index", -100)
            self.needs_targets = own_forward
            self.of_batch = self._of_own_pair if own_forward else self._of_pair
        self.samples_of: Callable[[Any], int | None] = (
            num_rows if self.of_batch is num_rows else rows_or_none
        )

    def rows_of(self, batch: Any) -> int | None:
        """Count the rows of a batch, where they are its weight; else None."""
        return num_rows(batch) if self.of_batch is num_rows else None

    def keep_targets(self, targets: Any) -> None:
        """Note the targets that the user's ``forward`` gave for the batch at hand."""
        self._targets = targets

    def _of_own_pair(self, batch: Any) -> float | Tensor:
        # The parts stand side by side: a tuple inside would be taken for rows.
        return self._of_pair((*batch, self._targets))

    def _of_pair(self, pair: Any) -> float | Tensor:
        """Weigh a pair of inputs and targets by what PyTorch's mean divides by."""
        targets = pair[-1]
        if targets.is_floating_point():  # probabilities of the classes along dim 1
            return targets.numel() // targets.size(1) if targets.dim() > 1 else 1
        kept = targets != self._ignore_index
        if self._class_weight is None:
            return kept.sum()
        # The weights follow the targets to their device, as the module itself does.
        table = self._class_weight.to(targets.device)
        return (table[targets.where(kept, 0)] * kept).sum()
