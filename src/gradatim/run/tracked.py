"""What a loop of one's own names to be saved: checked, and its gradients."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.data.restart import GENERATORS
from gradatim.errors import ConfigError
from gradatim.hooks import Callback, TrainerView
from gradatim.modules import bare
from gradatim.rng import check_generator_state

__all__ = [
    "as_tracked",
    "callbacks_why_inexact",
    "gradients_of",
    "set_gradients",
    "why_inexact",
]


class _GeneratorState:
    """A ``torch.Generator`` with the two methods that it lacks."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def state_dict(self) -> dict[str, Any]:
        return {"state": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_generator_state(state["state"])
        self.generator.set_state(state["state"])


def as_tracked(name: str, value: Any) -> Any:
    """Give what has the state of ``value``: mostly itself.

    Raises:
        ConfigError: It has no state that could be saved.
    """
    if isinstance(value, torch.Generator):
        return _GeneratorState(value)
    if not hasattr(value, "state_dict") or not hasattr(value, "load_state_dict"):
        raise ConfigError(
            f"track({name}=...) is a {type(value).__name__} without state_dict() and "
            "load_state_dict().\n"
            "It could be neither saved nor put back.\n"
            "Give it both, or leave it out."
        )
    return value


def why_inexact(modules: Iterable[Any], others: Iterable[Any]) -> list[str]:
    """Say what training changes that is not saved.

    Args:
        modules: What is saved; anything else than a module is passed over.
        others: Optimizers, of which those parameters are looked at, and generators.
    """
    reasons, known = [], set[int]()
    saved = {id(getattr(each, "generator", None)) for each in others}
    for module in modules:
        if not isinstance(module, nn.Module):
            continue
        known.update(map(id, module.parameters()))
        for name, part in module.named_modules():
            for key, value in vars(part).items():
                if isinstance(value, GENERATORS) and id(value) not in saved:
                    kind, place = type(part).__name__, f"{name}.{key}".strip(".")
                    what = f"a generator of its own ({place})"
                    reasons.append(f"{kind} draws from {what}")
    for each in others:
        groups = each.param_groups if isinstance(each, torch.optim.Optimizer) else []
        held = [p for group in groups for p in group["params"] if id(p) not in known]
        if held:
            kind = type(each).__name__
            reasons.append(f"{kind} holds {len(held)} parameters that are not saved")
    return reasons


def callbacks_why_inexact(callbacks: Iterable[Any], trainer: TrainerView) -> list[str]:
    """Say which callbacks move what they do not save.

    A schedule, an average of the weights, a generator: known by its own state.
    """
    reasons = []
    saved = [trainer, trainer.model, trainer.optimizer, trainer.loss_fn, *callbacks]
    for callback in callbacks:
        give_state = getattr(type(callback), "state_dict", Callback.state_dict)
        if give_state is not Callback.state_dict:
            continue
        for name, value in vars(callback).items():
            moves = hasattr(value, "load_state_dict") or isinstance(value, GENERATORS)
            if moves and not any(value is each for each in saved):
                reasons.append(
                    f"{type(callback).__name__} has a {type(value).__name__} ({name}) "
                    "and no state_dict() to save it"
                )
    return reasons


def gradients_of(modules: Mapping[str, nn.Module]) -> dict[str, Any]:
    """Give the gradients of all parameters that have one, by module and name."""
    return {
        name: {
            key: _parts(parameter.grad) if parameter.grad.is_sparse else parameter.grad
            for key, parameter in bare(module).named_parameters()
            if parameter.grad is not None
        }
        for name, module in modules.items()
    }


def set_gradients(modules: Mapping[str, nn.Module], found: dict[str, Any]) -> None:
    """Put back what :func:`gradients_of` gave, and None where it gave none."""
    for name, module in modules.items():
        for key, parameter in bare(module).named_parameters():
            gradient = found.get(name, {}).get(key)
            if isinstance(gradient, dict):
                gradient = torch.sparse_coo_tensor(
                    gradient["indices"],
                    gradient["values"],
                    gradient["size"],
                    is_coalesced=gradient["is_coalesced"],
                    check_invariants=True,  # a wrong index would be followed
                )
            if gradient is not None:
                gradient = gradient.to(parameter.device)
            parameter.grad = gradient


def _parts(gradient: Tensor) -> dict[str, Any]:
    """Give the dense parts of a sparse gradient, such as that of an embedding."""
    return {
        "indices": gradient._indices(),
        "values": gradient._values(),
        "size": gradient.shape,
        "is_coalesced": gradient.is_coalesced(),
    }
