"""What is wrong with the parts of a step, said before its first update."""

from typing import Any

import torch
from torch import nn

from gradatim.errors import ConfigError, OptimizerError
from gradatim.precision import AUTOCAST_DTYPES

__all__ = ["check_kinds", "check_optimizer", "check_options", "check_scheduler"]


def check_kinds(model: Any, loss_fn: Any, optimizer: Any = None) -> None:
    """Refuse a class in place of its object, and what cannot be called.

    ``optimizer`` is None where there is none.

    Raises:
        ConfigError: One of them is not what it must be.
    """
    for name, value in (("model", model), ("loss_fn", loss_fn)):
        if isinstance(value, type):
            raise ConfigError(
                f"{name} is the class {value.__name__} itself.\n"
                "Only an object of it can be called with a batch.\n"
                f"Make one: {value.__name__}(...)."
            )
    if not isinstance(model, nn.Module):
        raise ConfigError(
            f"model is a {type(model).__name__}, not a torch.nn.Module.\n"
            "Its parameters could not be found.\n"
            "Give the module itself; forward= can say what is done with it."
        )
    if not callable(loss_fn):
        raise ConfigError(
            f"loss_fn is a {type(loss_fn).__name__}, which cannot be called.\n"
            "It is called as loss_fn(predictions, targets).\n"
            "Give a loss such as nn.MSELoss(), or a function."
        )
    if optimizer is not None and not hasattr(optimizer, "param_groups"):
        kind = f"a {type(optimizer).__name__}"
        name = getattr(getattr(optimizer, "func", optimizer), "__name__", "SGD")
        if isinstance(optimizer, type):
            kind = f"the class {name} itself"
        raise ConfigError(
            f"optimizer is {kind}.\n"
            "It holds no parameters, so it would move none.\n"
            f"Make one: torch.optim.{name}(model.parameters(), lr=...)."
        )


def check_optimizer(
    model: nn.Module, loss_fn: Any, optimizer: torch.optim.Optimizer
) -> None:
    """Refuse an optimizer that holds no parameter of the model or of its loss.

    Raises:
        OptimizerError: Its steps would leave the model as it is.
    """
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    modules = [model, loss_fn] if isinstance(loss_fn, nn.Module) else [model]
    if any(id(p) in held for module in modules for p in module.parameters()):
        return
    num_own = sum(1 for _ in model.parameters())
    raise OptimizerError(
        f"the optimizer holds {len(held)} parameters, none of them among the "
        f"{num_own} of {type(model).__name__}.\n"
        "Its steps would leave this model as it is.\n"
        "Make the optimizer from model.parameters(), after the last change of the "
        "model's layers."
    )


def check_options(
    max_norm: float | None, num_microbatches: int, precision: str, on_nonfinite: str
) -> None:
    """Refuse options of a step that are out of their ranges.

    Raises:
        ConfigError: One of them is.
    """
    if max_norm is not None and not max_norm > 0:
        raise ConfigError(f"max_norm must be positive, got {max_norm}.")
    if num_microbatches < 1:
        raise ConfigError(
            f"num_microbatches must be 1 or more, got {num_microbatches}."
        )
    for name, value, choices in (
        ("precision", precision, tuple(AUTOCAST_DTYPES)),
        ("on_nonfinite", on_nonfinite, ("raise", "skip")),
    ):
        if value not in choices:
            raise ConfigError(f"{name} must be one of {choices}, got {value!r}.")


def check_scheduler(scheduler: Any, optimizer: torch.optim.Optimizer) -> None:
    """Refuse a scheduler that would change another optimizer's learning rate.

    Raises:
        OptimizerError: It was made for another optimizer.
    """
    if getattr(scheduler, "optimizer", optimizer) is not optimizer:
        raise OptimizerError(
            f"{type(scheduler).__name__} was made for another "
            f"{type(scheduler.optimizer).__name__} than the one that trains.\n"
            "Its steps would change a learning rate that nothing uses.\n"
            "Make it from the optimizer that you give here."
        )
