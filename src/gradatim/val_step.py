"""The step that only looks: the loss of a batch, without learning from it."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from gradatim.forward import Forward, loss_of, make_forward
from gradatim.losses import LossFn, checked
from gradatim.modules import evaluating
from gradatim.named_loss import OwnLoss, split_loss
from gradatim.step_checks import check_kinds

__all__ = ["ValStep", "make_val_step"]


def make_val_step(
    model: nn.Module,
    loss_fn: LossFn | None,
    *,
    forward: Forward | None = None,
    check_shapes: bool = True,
) -> "ValStep":
    """Make the function that only looks: ``val_step(x, y) -> loss``.

    The model is in eval mode for the call, and every layer's mode is put back; no
    graph is built. Arguments as in :func:`make_train_step`.

    >>> import torch
    >>> val_step = make_val_step(nn.Linear(1, 1), nn.MSELoss())
    >>> val_step(torch.ones(4, 1), torch.zeros(4, 1)).requires_grad
    False
    """
    return ValStep(model, loss_fn, forward=forward, check_shapes=check_shapes)


class ValStep:
    """The loss of a batch, without learning from it; made by :func:`make_val_step`."""

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFn | None,
        *,
        forward: Forward | None = None,
        check_shapes: bool = True,
    ) -> None:
        self.model = model
        loss_fn = loss_of(loss_fn, forward)
        check_kinds(model, loss_fn)
        self._loss_fn = checked(loss_fn, check_shapes=check_shapes)
        self._forward = make_forward(forward, gives_loss=isinstance(loss_fn, OwnLoss))

    def __call__(self, *batch: Any) -> Float[Tensor, "..."]:
        """Give the loss of a batch: ``x, y``, or what ``forward=`` takes."""
        with evaluating(self.model):
            loss, _ = split_loss(self._loss_fn(*self._forward(self.model, batch)))
            return loss
