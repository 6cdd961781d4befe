"""Why a resume is not exact: what the bits depend on that a checkpoint does not hold.

Each function gives its reasons, a line each, and none where it knows of none. What data
sets and loaders draw is in ``gradatim.data.why_inexact``. ``Session`` collects all
reasons, with the changes that were accepted, and tells them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from gradatim.data.batches import Batches
from gradatim.data.why_inexact import GENERATORS
from gradatim.hooks import TrainerView
from gradatim.run.noted import has_state

__all__ = [
    "batches_why_inexact",
    "callbacks_why_inexact",
    "device_why_inexact",
    "saved_why_inexact",
]


def saved_why_inexact(saved: Iterable[Any]) -> list[str]:
    """Say what training changes in saved objects that their states do not have.

    A module may draw from a generator of its own, and an optimizer may hold parameters
    of a module that is not saved.
    """
    saved = list(saved)
    modules = [value for value in saved if isinstance(value, nn.Module)]
    others = [value for value in saved if not isinstance(value, nn.Module)]
    parameters = {id(p) for module in modules for p in module.parameters()}
    generators = {id(getattr(value, "generator", None)) for value in others}
    reasons = []
    for module in modules:
        for name, part in module.named_modules():
            for key, value in vars(part).items():
                if isinstance(value, GENERATORS) and id(value) not in generators:
                    kind, place = type(part).__name__, f"{name}.{key}".strip(".")
                    what = f"a generator of its own ({place})"
                    reasons.append(f"{kind} draws from {what}")
    for optimizer in others:
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
        if has_state(callback):
            continue
        for name, value in vars(callback).items():
            moves = hasattr(value, "load_state_dict") or isinstance(value, GENERATORS)
            if moves and not any(value is other for other in saved):
                reasons.append(
                    f"{type(callback).__name__} has a {type(value).__name__} ({name}) "
                    "and no state_dict() to save it"
                )
    return reasons


def batches_why_inexact(sources: Mapping[str, Batches]) -> list[str]:
    """Say why an epoch of the batches, by ``"train"`` and ``"val"``, is not exact."""
    return [
        reason if name == "train" else f"{name}: {reason}"
        for name, batches in sources.items()
        for reason in batches.why_inexact()
    ]


def device_why_inexact(kind: str) -> list[str]:
    """Say why a device of this kind does not give the same bits twice."""
    if kind != "cuda" or torch.are_deterministic_algorithms_enabled():
        return []
    return ["cuda without torch.use_deterministic_algorithms(True)"]
