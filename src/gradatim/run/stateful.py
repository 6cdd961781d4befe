"""What has a state: what a run asks of all that it saves, and who gives it.

Models, optimizers, trainers, callbacks and batches have the two methods of
:class:`Stateful`. Here are objects that lack them.
"""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from gradatim.data.why_inexact import GENERATORS
from gradatim.errors import ConfigError
from gradatim.modules import bare
from gradatim.rng import rng_state, set_rng_state
from gradatim.run.generators import GeneratorState
from gradatim.text import shown
from gradatim.torch_private import sparse_parts

__all__ = ["GlobalGenerators", "Gradients", "Modes", "Stateful", "as_stateful"]


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
    if isinstance(value, GENERATORS):
        return GeneratorState(value)
    # Not isinstance: from Python 3.12 on, it does not see what __getattr__ gives.
    if not (hasattr(value, "state_dict") and hasattr(value, "load_state_dict")):
        raise ConfigError(
            f"track({name}=...) is a {type(value).__name__} without state_dict() and "
            "load_state_dict().\n"
            "It could be neither saved nor put back.\n"
            "Give it both, or leave it out."
        )
    return value


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


LAST_MODES: WeakKeyDictionary[nn.Module, dict[str, set[str]]] = WeakKeyDictionary()
"""What :class:`Modes` saw of a module when it looked last."""


class Modes:
    """Which parameters of modules are frozen, and which parts are in eval mode.

    What the program itself changed is kept when a state is put back: by hand between
    two loops of one process, or between two processes, which a run refuses unless that
    was accepted.

    Args:
        modules: The modules by their names.
        began: The configuration with which the run began, where it goes on.
    """

    def __init__(
        self, modules: Mapping[str, nn.Module], began: Mapping[str, Any] | None = None
    ) -> None:
        self.modules = {name: bare(module) for name, module in modules.items()}
        self.began = began or {}

    def state_dict(self) -> dict[str, Any]:
        """Give the names of frozen parameters, and of the parts in eval mode."""
        return {
            name: {kind: sorted(names) for kind, names in self._look_at(module).items()}
            for name, module in self.modules.items()
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Freeze and unfreeze parameters, and put each part into its mode."""
        for name, saved in state.items():
            module = self.modules.get(name)
            if module is None:  # a loss in whose place another was accepted
                continue
            now = _modes_of(module)
            seen = LAST_MODES.get(module)
            if seen is None:
                chosen = self.began.get(name, {}).get("frozen", now["frozen"])
                seen = {**now, "frozen": set(chosen)}
            kept = {kind: now[kind] ^ seen[kind] for kind in now}
            parameters = dict(module.named_parameters())
            frozen = _checked_names(saved["frozen"], parameters, name)
            for key, parameter in parameters.items():
                trains = key not in frozen
                if key not in kept["frozen"] and parameter.requires_grad != trains:
                    parameter.requires_grad_(trains)
            parts = dict(module.named_modules())
            in_eval = _checked_names(saved["eval"], parts, name)
            for key, part in parts.items():
                if key not in kept["eval"]:
                    # The attribute, not train(): that would go down into every child.
                    part.training = key not in in_eval
            self._look_at(module)

    def look(self) -> None:
        """Note how the modules are: what differs later was changed by the program."""
        for module in self.modules.values():
            self._look_at(module)

    def _look_at(self, module: nn.Module) -> dict[str, set[str]]:
        LAST_MODES[module] = modes = _modes_of(module)
        return modes


def _modes_of(module: nn.Module) -> dict[str, set[str]]:
    parameters, parts = module.named_parameters(), module.named_modules()
    return {
        "frozen": {name for name, p in parameters if not p.requires_grad},
        "eval": {name for name, part in parts if not part.training},
    }


def _checked_names(names: Any, known: Mapping[str, Any], module: str) -> set[str]:
    if not isinstance(names, list):
        raise ValueError(f"{module} has {shown(names)} where a list of names belongs")
    if unknown := set(names) - set(known):
        raise ValueError(f"{module} has no part {shown(unknown.pop())}")
    return set(names)


def _dense_parts(gradient: Tensor) -> dict[str, Any]:
    """Take a sparse gradient apart, such as that of an embedding."""
    indices, values = sparse_parts(gradient)
    return {
        "indices": indices,
        "values": values,
        "size": gradient.shape,
        "is_coalesced": gradient.is_coalesced(),
    }
