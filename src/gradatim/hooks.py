"""The hooks of a training: what a callback may answer to, and what it sees then.

A trainer knows nothing of its callbacks. It calls the hooks that a callback overrides,
and where none does, nothing is called.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from gradatim.epoch import EpochSoFar, Plan
from gradatim.errors import ConfigError
from gradatim.history import History
from gradatim.interrupt import Stoppable
from gradatim.losses import LossFn
from gradatim.step import TrainStep
from gradatim.text import nearest_name

__all__ = [
    "HOOKS",
    "Averages",
    "Callback",
    "Hook",
    "Hooks",
    "TrainerView",
    "hooks_of",
]

HOOKS = (
    "on_fit_begin",
    "on_fit_end",
    "on_epoch_begin",
    "on_epoch_end",
    "on_step_begin",
    "on_backward_end",
    "on_step_end",
    "on_validation_begin",
    "on_validation_end",
    "on_history",
    "on_stop",
    "on_exception",
)


class Hook(NamedTuple):
    """A method of a callback that is called at one moment of a training."""

    name: str
    callback: Any
    method: Callable[..., None]


Hooks = dict[str, list[Hook]]
"""What is called, by the names of the hooks."""


class Averages(Protocol):
    """Averages of a model's weights, which take their place where they are scored."""

    def used(self) -> AbstractContextManager[None]:
        """Put the averages into the model, and the trained weights back at the end."""


@runtime_checkable
class TrainerView(Stoppable, Protocol):
    """What a callback sees of the trainer that calls it: see :class:`Trainer`."""

    model: nn.Module
    loss_fn: LossFn | None
    optimizer: torch.optim.Optimizer
    train_step: TrainStep
    history: History
    epoch: int
    so_far: EpochSoFar
    plan: Plan | None
    should_stop: bool
    stop_requested: str | None
    averages: Averages | None
    between_steps: bool

    @property
    def num_steps(self) -> int:
        """Updates done."""

    @property
    def num_samples(self) -> int:
        """Rows trained on; a row counts again in every epoch."""

    def stop(self, reason: str) -> None:
        """End the training after this step or epoch."""

    def log(self, **values: float | Tensor) -> None:
        """Put named values into the history."""

    def scored_weights(self) -> AbstractContextManager[None]:
        """Let the model have the weights that are scored and kept for its users."""

    def state_dict(self, *, model: bool = True) -> dict[str, Any]:
        """Give what is needed to go on after any update."""

    def load_state_dict(
        self, state: dict[str, Any], *, model: bool = True, loss: bool = True
    ) -> None:
        """Go on from what :meth:`state_dict` gave."""


class Callback:
    """Override the hooks that you need; the others cost nothing.

    A hook may read all of the trainer (``model``, ``optimizer``, ``history``,
    ``epoch``, ``num_steps``), put values into the history with ``trainer.log(x=...)``
    and end the training with ``trainer.stop(reason)``. What a callback must remember
    over a resume it gives in ``state_dict`` and takes in ``load_state_dict``, which is
    called after ``on_fit_begin``. Where a run goes on in the middle of an epoch,
    ``on_epoch_begin`` is called for the rest of it, and what it logs is left out.

    A hook is given what :class:`TrainerView` describes. Its type here is ``Any``, so
    that a callback of yours may say ``trainer: gt.Trainer`` and pass a type checker.

    Attributes:
        goes_first: Its hooks are called before those of the other callbacks.
        goes_last: Its hooks are called after those of the other callbacks.
        only_watches: Nothing that is computed depends on it: a run goes on with or
            without it.

    >>> class PrintLoss(Callback):
    ...     def on_epoch_end(self, trainer):
    ...         print(trainer.history["train_loss"][-1])
    """

    goes_first = False
    goes_last = False
    only_watches = False

    def config(self) -> dict[str, Any]:
        """Give the choices that a run must not change when it goes on."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Give what is to be remembered: numbers, texts, tensors, collections."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over what :meth:`state_dict` gave in another process."""

    def on_fit_begin(self, trainer: Any) -> None:
        """Before the first epoch of a ``fit``."""

    def on_fit_end(self, trainer: Any) -> None:
        """After the last epoch of a ``fit``, also when an error ended it."""

    def on_epoch_begin(self, trainer: Any) -> None:
        """Before the first batch of an epoch."""

    def on_epoch_end(self, trainer: Any) -> None:
        """After an epoch, when ``trainer.history`` has its values."""

    def on_step_begin(self, trainer: Any, batch: Any) -> None:
        """Before an update. ``batch`` is a tuple: what the step is called with."""

    def on_backward_end(self, trainer: Any) -> None:
        """When the gradients of an update are there, before they are looked at."""

    def on_step_end(self, trainer: Any, loss: Tensor) -> None:
        """After an update. ``loss`` is 0-dim on its device: reading it may wait."""

    def on_validation_begin(self, trainer: Any) -> None:
        """Before the validation data are gone through."""

    def on_validation_end(self, trainer: Any) -> None:
        """After that; ``trainer.so_far.values`` has the scores of the coming row."""

    def on_history(self, trainer: Any) -> None:
        """When a row of ``trainer.history`` is whole.

        That is after ``on_epoch_end`` and, with ``val_every=``, after each validation.
        """

    def on_stop(self, trainer: Any) -> None:
        """When a signal has ended the wait for a batch: there is no further update.

        A signal in an update ends the training after its ``on_step_end`` instead.
        """

    def on_exception(self, trainer: Any, error: BaseException) -> None:
        """When an error ends the training, before ``on_fit_end``."""


def _check_hook_names(callback: Any) -> None:
    """Refuse a method such as ``on_epoch_ends``, which nobody would ever call."""
    names = dir(type(callback)) if isinstance(callback, Callback) else []
    for name in names:
        if name.startswith("on_") and name not in HOOKS:
            raise ConfigError(
                f"{type(callback).__name__} has a method {name!r}, which is no hook."
                f"{nearest_name(name, HOOKS)}\n"
                "It would never be called.\n"
                "Give it a hook's name, or one that does not begin with on_."
            )


def _place(callback: Any) -> int:
    goes_first = getattr(callback, "goes_first", False)
    return int(getattr(callback, "goes_last", False)) - int(goes_first)


def hooks_of(callbacks: Iterable[Any]) -> Hooks:
    """Collect, for each hook, the callbacks' methods that do something.

    Raises:
        ConfigError: A class, or an object without any hook such as a bare scheduler.
    """
    hooks: Hooks = {name: [] for name in HOOKS}
    for callback in sorted(callbacks, key=_place):
        if isinstance(callback, type):
            raise ConfigError(
                f"a callback is the class {callback.__name__} itself.\n"
                "Its hooks need an object to work on.\n"
                f"Make one: {callback.__name__}(...)."
            )
        _check_hook_names(callback)
        methods = {name: getattr(callback, name, None) for name in HOOKS}
        for name, method in methods.items():
            is_own = getattr(method, "__func__", None) is not getattr(Callback, name)
            if method is not None and is_own:
                hooks[name].append(Hook(name, callback, method))
        if not any(method is not None for method in methods.values()):
            advice = "Give an object with at least one of these methods."
            if hasattr(callback, "step") and hasattr(callback, "optimizer"):
                advice = "Wrap a scheduler: gradatim.LRScheduler(scheduler)."
            raise ConfigError(
                f"a callback of type {type(callback).__name__} has none of the hooks "
                f"{', '.join(HOOKS)}.\nIt would never be called.\n{advice}"
            )
    return hooks
