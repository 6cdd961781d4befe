"""A loss with named parts, such as the two terms of a variational autoencoder's.

A loss may be given as a tensor, as ``{"loss": ..., "recon": ..., "kl": ...}``, or as a
pair of the tensor and its parts. The parts are only looked at: ``"loss"`` alone is what
``backward`` starts from.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gradatim.errors import LossError

__all__ = ["OwnLoss", "split_loss"]


def split_loss(loss: Any) -> tuple[Any, dict[str, Tensor]]:
    """Give the loss itself, and its parts by their names, detached.

    Raises:
        LossError: A part is no single number, or the dict has no ``"loss"``.

    >>> loss = torch.tensor(3.0)
    >>> split_loss({"loss": loss, "recon": torch.tensor(2.0), "kl": 1.0})
    (tensor(3.), {'recon': tensor(2.), 'kl': tensor(1.)})
    >>> split_loss((loss, {"kl": torch.tensor(1.0)}))
    (tensor(3.), {'kl': tensor(1.)})
    """
    if isinstance(loss, Mapping):
        if "loss" not in loss:
            raise LossError(
                f"the loss is a dict of {', '.join(map(repr, loss))}, without 'loss'.\n"
                "Which of them training is to lower is open.\n"
                'Give that one the name "loss"; the others are noted beside it.'
            )
        parts = {name: part for name, part in loss.items() if name != "loss"}
        return loss["loss"], _checked(parts, loss["loss"])
    if isinstance(loss, tuple) and len(loss) == 2 and isinstance(loss[1], Mapping):
        return loss[0], _checked(loss[1], loss[0])
    return loss, {}


def _checked(parts: Mapping[Any, Any], loss: Any) -> dict[str, Tensor]:
    checked = {}
    for name, part in parts.items():
        if name == "loss" or not isinstance(name, str):
            raise LossError(
                f"a part of the loss has the name {name!r}.\n"
                "It would be taken for the loss, or for no name of a history.\n"
                "Give each part a text of its own as its name."
            )
        if isinstance(part, Tensor) and part.dim():
            raise LossError(
                f"the loss's part {name!r} has shape {tuple(part.shape)}, not ().\n"
                "The history keeps one number an epoch: the mean over its rows.\n"
                "Give its mean over the batch."
            )
        if not isinstance(part, (Tensor, int, float)):
            raise LossError(
                f"the loss's part {name!r} is a {type(part).__name__}.\n"
                "The history keeps one number an epoch: the mean over its rows.\n"
                "Give a number or a 0-dim tensor."
            )
        device = loss.device if isinstance(loss, Tensor) else None
        checked[name] = torch.as_tensor(part, device=device).detach()
    return checked


class OwnLoss:
    """Stands for the loss function where ``forward`` gives the loss itself.

    A model may give more than its loss, such as logits: only single numbers are parts.
    """

    __name__ = "forward"

    def __call__(self, loss: Any, _: None) -> Any:
        """Give the loss that ``forward`` gave, with its parts."""
        if not isinstance(loss, Mapping):
            return loss
        numbers = (int, float)
        return {
            name: part
            for name, part in loss.items()
            if isinstance(part, numbers)
            or (isinstance(part, Tensor) and not part.dim())
        }
