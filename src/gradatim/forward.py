"""From a batch to what its loss is computed of, by default or as the user says."""

import functools
from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

from torch import Tensor, nn

from gradatim.errors import ConfigError, DataError
from gradatim.losses import LossFn
from gradatim.named_loss import OwnLoss
from gradatim.weighing import Weighing

__all__ = ["Forward", "loss_of", "make_forward"]

Forward = Callable[[nn.Module, Any], Any]
"""``forward(model, batch)`` gives ``(predictions, targets)``, or the loss where there
is no loss function."""


def loss_of(loss_fn: LossFn | None, forward: Forward | None) -> LossFn:
    """Give the loss function, or what stands for it where ``forward`` gives the loss.

    Raises:
        ConfigError: There is neither.
    """
    if loss_fn is not None:
        return loss_fn
    if forward is None:
        raise ConfigError(
            "loss_fn is None, and there is no forward= that would give the loss.\n"
            "Without a loss there is nothing to lower.\n"
            "Give a loss such as nn.MSELoss(), or a forward= that gives the loss "
            "itself, such as lambda model, batch: model(**batch).loss."
        )
    return OwnLoss()


def make_forward(
    forward: Forward | None,
    weighing: Weighing | None = None,
    *,
    gives_loss: bool = False,
) -> Forward:
    """Give the function from a batch, as a tuple, to ``(predictions, targets)``.

    Without the user's ``forward``, batches are ``(x, y)``; with it, ``weighing`` is
    given the targets if it needs them. A ``forward`` that gives the loss has it in the
    place of predictions, and None for targets.
    """
    # Functions of the module, not closures: a step can be pickled and copied.
    if forward is None:
        return _forward_pair
    if gives_loss:
        return functools.partial(_forward_loss, forward)
    return functools.partial(_forward_any, forward, weighing)


def _forward_loss(forward: Forward, model: nn.Module, batch: Any) -> tuple[Any, Any]:
    return forward(model, batch[0] if len(batch) == 1 else batch), None


def _forward_pair(model: nn.Module, batch: Any) -> tuple[Any, Any]:
    if len(batch) != 2:
        kinds = ", ".join(type(part).__name__ for part in batch)
        raise DataError(
            f"a batch has {len(batch)} parts ({kinds}), not 2.\n"
            "Without forward= a batch is a pair of x and y.\n"
            "Say what to do with it: forward=lambda model, batch: "
            "(model(batch[0]), batch[-1])."
        )
    return model(batch[0]), batch[1]


def _forward_any(
    forward: Forward, weighing: Weighing | None, model: nn.Module, batch: Any
) -> tuple[Any, Any]:
    pair: Any = forward(model, batch[0] if len(batch) == 1 else batch)
    # A tensor of two rows, or a dict of two keys, would unpack without an error.
    is_list = isinstance(pair, (tuple, list))
    if (is_list and len(pair) != 2) or isinstance(pair, (Tensor, Mapping, NoneType)):
        given = f"a {type(pair).__name__}"
        if isinstance(pair, Tensor):
            given += f" of shape {tuple(pair.shape)}"
        elif is_list:
            given += f" of {len(pair)} parts"
        raise ConfigError(
            f"forward gave {given}, not the pair (predictions, targets).\n"
            "The loss needs both, and the batch is known to forward alone.\n"
            "Return both: forward=lambda model, batch: "
            '(model(batch["x"]), batch["y"]). Where it gives the loss, loss_fn is None.'
        )
    predictions, targets = pair
    if weighing is not None and weighing.needs_targets:
        weighing.keep_targets(targets)
    return predictions, targets
