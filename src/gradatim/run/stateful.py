"""What has a state: what a run asks of all that it saves, and who gives it.

Models, optimizers, trainers, callbacks and batches have the two methods of
:class:`Stateful`. Here are objects that lack them, and the reasons why a state is not
all that training moves.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from gradatim.data.restart import GENERATORS
from gradatim.errors import ConfigError
from gradatim.hooks import Callback, TrainerView
from gradatim.modules import bare
from gradatim.rng import check_generator_state, rng_state, set_rng_state
from gradatim.torch_private import sparse_parts

__all__ = [
    "GlobalGenerators",
    "Gradients",
    "Stateful",
    "as_stateful",
    "callbacks_why_inexact",
    "why_inexact",
]


@runtime_checkable
class Stateful(Protocol):
    """What can be saved, and can go on from what was saved.

    Only the object itself knows what its state consists of: a run saves the state as it
    is given, and gives it back as it was.
    """

    def state_dict(self) -> dict[str, Any]:
        """Give all that training moves in the object."""

    def load_state_dict(self, state: dict[str, Any]) -> Any:
        """Take over what :meth:`state_dict` gave in another process."""


def as_stateful(name: str, value: Any) -> Stateful:
    """Give the object that has the state of ``value``: mostly ``value`` itself.

    Raises:
        ConfigError: It has no state that could be saved.
    """
    if isinstance(value, torch.Generator):
        return _GeneratorState(value)
    # Not isinstance: from Python 3.12 on, it does not see what __getattr__ gives.
    if not (hasattr(value, "state_dict") and hasattr(value, "load_state_dict")):
        raise ConfigError(
            f"track({name}=...) is a {type(value).__name__} without state_dict() and "
            "load_state_dict().\n"
            "It could be neither saved nor put back.\n"
            "Give it both, or leave it out."
        )
    return value


class _GeneratorState:
    """The state of a ``torch.Generator``, which lacks the two methods."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator

    def state_dict(self) -> dict[str, Any]:
        return {"state": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        check_generator_state(state["state"])
        self.generator.set_state(state["state"])


class GlobalGenerators:
    """The state of the random generators of torch, NumPy and Python."""

    def state_dict(self) -> dict[str, Any]:
        """Give the state of each of them."""
        return rng_state()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put each of them back."""
        set_rng_state(state)


class Gradients:
    """The gradients of all parameters of some modules that have one."""

    def __init__(self, modules: Mapping[str, nn.Module]) -> None:
        self.modules = modules

    def state_dict(self) -> dict[str, Any]:
        """Give the gradients by the names of module and parameter."""
        return {
            name: {
                key: _dense_parts(gradient) if gradient.is_sparse else gradient
                for key, parameter in bare(module).named_parameters()
                if (gradient := parameter.grad) is not None
            }
            for name, module in self.modules.items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put the gradients back, and None where there was none."""
        for name, module in self.modules.items():
            for key, parameter in bare(module).named_parameters():
                gradient = state.get(name, {}).get(key)
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


def _dense_parts(gradient: Tensor) -> dict[str, Any]:
    """Take a sparse gradient apart, such as that of an embedding."""
    indices, values = sparse_parts(gradient)
    return {
        "indices": indices,
        "values": values,
        "size": gradient.shape,
        "is_coalesced": gradient.is_coalesced(),
    }


def why_inexact(saved: Iterable[Any]) -> list[str]:
    """Say what training changes in some objects that their states do not have.

    A module may draw from a generator of its own, and an optimizer may hold parameters
    of a module that is not saved.

    Args:
        saved: All that is saved: modules, optimizers, generators and others.
    """
    saved = list(saved)
    reasons, parameters = [], set[int]()
    generators = {
        id(getattr(value, "generator", None))
        for value in saved
        if not isinstance(value, nn.Module)
    }
    for module in saved:
        if not isinstance(module, nn.Module):
            continue
        parameters.update(map(id, module.parameters()))
        for name, part in module.named_modules():
            for key, value in vars(part).items():
                if isinstance(value, GENERATORS) and id(value) not in generators:
                    kind, place = type(part).__name__, f"{name}.{key}".strip(".")
                    what = f"a generator of its own ({place})"
                    reasons.append(f"{kind} draws from {what}")
    for optimizer in saved:
        if not isinstance(optimizer, torch.optim.Optimizer):
            continue
        held = [p for group in optimizer.param_groups for p in group["params"]]
        if num_others := sum(id(parameter) not in parameters for parameter in held):
            kind = type(optimizer).__name__
            reasons.append(f"{kind} holds {num_others} parameters that are not saved")
    return reasons


def callbacks_why_inexact(callbacks: Iterable[Any], trainer: TrainerView) -> list[str]:
    """Say which callbacks move something that they do not save.

    A schedule, an average of the weights and a generator are known by having a state.
    """
    reasons = []
    saved = [trainer, trainer.model, trainer.optimizer, trainer.loss_fn, *callbacks]
    for callback in callbacks:
        state_dict = getattr(type(callback), "state_dict", Callback.state_dict)
        if state_dict is not Callback.state_dict:
            continue
        for name, value in vars(callback).items():
            moves = hasattr(value, "load_state_dict") or isinstance(value, GENERATORS)
            if moves and not any(value is other for other in saved):
                reasons.append(
                    f"{type(callback).__name__} has a {type(value).__name__} ({name}) "
                    "and no state_dict() to save it"
                )
    return reasons
