"""Callbacks that many trainings use: stopping early, schedules, freezing, values."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from gradatim.errors import ConfigError
from gradatim.hooks import Callback, TrainerView
from gradatim.modules import bare
from gradatim.nested import map_tensors
from gradatim.step_checks import check_scheduler
from gradatim.text import nearest_name

__all__ = ["EarlyStopping", "Freeze", "LRScheduler", "StepValues", "monitored"]


class EarlyStopping(Callback):
    """Stop when a value has not improved for a while; put the best weights back.

    Args:
        monitor: A key of the history, such as ``"val_loss"``.
        mode: Whether less (``"min"``) or more (``"max"``) is better.
        patience: Epochs without improvement after which training stops; with
            ``fit(val_every=)``, validations.
        min_delta: An improvement is more than this, in the units of the value.
        restore_best: When training ends, in whatever way, put back weights and
            buffers of the best epoch.

    Attributes:
        best_value: The best value seen; None before the first epoch.
        best_epoch: The epoch of the best value, counted from 1.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        mode: Literal["min", "max"] = "min",
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best: bool = True,
    ) -> None:
        if mode not in ("min", "max"):
            raise ConfigError(f"mode must be 'min' or 'max', got {mode!r}.")
        if patience < 1:
            raise ConfigError(f"patience must be 1 or more, got {patience}.")
        if min_delta < 0:
            raise ConfigError(f"min_delta must not be negative, got {min_delta}.")
        self.monitor = monitor
        self.mode = mode
        self.patience = patience
        self.min_delta = min_delta
        self.restore_best = restore_best
        self.best_value: float | None = None
        self.best_epoch: int | None = None
        self._best_state: dict[str, Any] | None = None
        self._num_waited = 0
        """Values since the best one, or since the beginning."""
        self._shapes: dict[str, torch.Size] | None = None

    def on_fit_begin(self, trainer: Any) -> None:
        self.best_value = self.best_epoch = self._best_state = None
        self._num_waited = 0
        self._trainer = trainer
        self._shapes = _shapes_of(bare(trainer.model).state_dict())

    def config(self) -> dict[str, Any]:
        """Give the choices that decide when the training is stopped."""
        names = ("monitor", "mode", "patience", "min_delta", "restore_best")
        return {name: getattr(self, name) for name in names}

    def state_dict(self) -> dict[str, Any]:
        """Give the best so far, weights included."""
        return {
            "best_value": self.best_value,
            "best_epoch": self.best_epoch,
            "best_state": self._best_state,
            "num_waited": self._num_waited,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the best value so far, with its weights.

        Raises:
            ValueError: The weights are those of another model.
        """
        value, epoch, best = (state[f"best_{n}"] for n in ("value", "epoch", "state"))
        if best is not None and self._shapes not in (None, _shapes_of(best)):
            raise ValueError("the best weights are those of another model")
        self.best_value = None if value is None else float(value)
        self.best_epoch = None if epoch is None else int(epoch)
        self._best_state = best
        if "num_waited" in state:
            self._num_waited = int(state["num_waited"])
        else:  # of the first version, which counted epochs alone
            since = self.best_epoch or int(state["first_epoch"])
            self._num_waited = self._trainer.epoch - since

    def on_history(self, trainer: Any) -> None:
        value = monitored(trainer, self.monitor)
        if value is None:
            return
        if self._improves(value):
            self.best_value, self.best_epoch = value, trainer.history["epoch"][-1]
            self._num_waited = 0
            if self.restore_best:
                with trainer.scored_weights():
                    # A copy, as the tensors of state_dict() change with the model.
                    self._best_state = map_tensors(
                        lambda t: t.detach().clone(), bare(trainer.model).state_dict()
                    )
            return
        self._num_waited += 1
        if self._num_waited >= self.patience:
            best = "it never was a number"
            if self.best_epoch:
                best = f"best {self.best_value:.6g} in epoch {self.best_epoch}"
            what = "epochs" if trainer.plan.val_every is None else "validations"
            trainer.stop(
                f"{self.monitor} has not improved for {self.patience} {what}; {best}"
            )

    def on_fit_end(self, trainer: Any) -> None:
        if self._best_state is not None:
            bare(trainer.model).load_state_dict(self._best_state)
            self._best_state = None

    def _improves(self, value: float) -> bool:
        if self.best_value is None:
            return value == value  # NaN never is an improvement
        if self.mode == "min":
            return value < self.best_value - self.min_delta
        return value > self.best_value + self.min_delta


class LRScheduler(Callback):
    """Step a scheduler of ``torch.optim.lr_scheduler`` after each epoch or update.

    Args:
        scheduler: Made from the trainer's optimizer. ``ReduceLROnPlateau`` is given
            the monitored value.
        per: ``"epoch"`` or ``"step"``: what the scheduler's numbers count. Updates
            that ``on_nonfinite="skip"`` left out do not count.
        monitor: For ``ReduceLROnPlateau``, a key of the history: ``"val_loss"`` by
            default.

    Raises:
        ConfigError: ``ReduceLROnPlateau`` per step.

    >>> parameter = torch.nn.Parameter(torch.zeros(1))
    >>> optimizer = torch.optim.SGD([parameter], lr=0.1)
    >>> schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=30)
    >>> callbacks = [LRScheduler(schedule)]
    """

    def __init__(
        self,
        scheduler: torch.optim.lr_scheduler.LRScheduler,
        *,
        per: Literal["epoch", "step"] = "epoch",
        monitor: str | None = None,
    ) -> None:
        if per not in ("epoch", "step"):
            raise ConfigError(f"per must be 'epoch' or 'step', got {per!r}.")
        on_plateau = isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
        if on_plateau and per == "step":
            raise ConfigError(
                "ReduceLROnPlateau per step has no value to look at.\n"
                "Validation gives one an epoch.\n"
                'Use per="epoch".'
            )
        if monitor is not None and not on_plateau:
            raise ConfigError(
                f"monitor={monitor!r}, but {type(scheduler).__name__} looks at no "
                "value.\nOnly ReduceLROnPlateau does.\nLeave monitor out."
            )
        self.scheduler = scheduler
        self.per = per
        self.monitor = (monitor or "val_loss") if on_plateau else None
        if per == "step":
            self.on_step_end = self._after_step  # type: ignore[method-assign]
        elif on_plateau:
            self.on_history = self._after_row  # type: ignore[method-assign]
        else:
            self.on_epoch_end = self._after_epoch  # type: ignore[method-assign]

    def on_fit_begin(self, trainer: Any) -> None:
        check_scheduler(self.scheduler, trainer.optimizer)

    def config(self) -> dict[str, Any]:
        """Give when the schedule moves; a run reads the schedule's numbers itself."""
        return {"per": self.per, "monitor": self.monitor}

    def state_dict(self) -> dict[str, Any]:
        """Give the scheduler's state."""
        return {"scheduler": self.scheduler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the schedule."""
        self.scheduler.load_state_dict(state["scheduler"])

    def _after_step(self, trainer: TrainerView, loss: Tensor) -> None:
        if not trainer.train_step.left_out:
            self.scheduler.step()

    def _after_epoch(self, trainer: TrainerView) -> None:
        self.scheduler.step()

    def _after_row(self, trainer: TrainerView) -> None:
        assert self.monitor is not None
        value = monitored(trainer, self.monitor)
        if value is not None:
            step: Any = self.scheduler.step  # ReduceLROnPlateau's takes the value
            step(value)


class Freeze(Callback):
    """Train parts of a model only from some epoch on, such as a pretrained backbone.

    Args:
        names: Names of modules or parameters, as ``model.named_parameters()`` has them:
            ``"backbone"`` stands for all parameters whose names begin so.
        until_epoch: The first epoch that trains them, from 1; None for never.
        lr: Where the optimizer does not hold these parameters, they are added to it as
            a group with this learning rate when they begin to train.

    Raises:
        ConfigError: No parameter has such a name, or ``until_epoch`` is out of range.

    >>> callbacks = [Freeze("backbone", until_epoch=3)]
    """

    def __init__(
        self,
        names: str | Sequence[str],
        *,
        until_epoch: int | None = None,
        lr: float | None = None,
    ) -> None:
        if until_epoch is not None and (
            type(until_epoch) is not int or until_epoch < 2
        ):
            raise ConfigError(
                f"until_epoch must be 2 or more, or None, got {until_epoch!r}."
            )
        self.names = [names] if isinstance(names, str) else list(names)
        self.until_epoch = until_epoch
        self.lr = lr

    def config(self) -> dict[str, Any]:
        """Give the choices that decide what trains when."""
        return {"names": self.names, "until_epoch": self.until_epoch, "lr": self.lr}

    def on_fit_begin(self, trainer: Any) -> None:
        for parameter in self._parameters(trainer.model):
            parameter.requires_grad_(False)

    def on_epoch_begin(self, trainer: Any) -> None:
        if self.until_epoch is None or trainer.epoch + 1 < self.until_epoch:
            return
        parameters = self._parameters(trainer.model)
        for parameter in parameters:
            parameter.requires_grad_(True)
        groups = trainer.optimizer.param_groups
        held = {id(p) for group in groups for p in group["params"]}
        added = [p for p in parameters if id(p) not in held]
        if added and self.lr is not None:
            trainer.optimizer.add_param_group({"params": added, "lr": self.lr})
        elif added:
            raise ConfigError(
                f"{len(added)} parameters of {', '.join(self.names)} are to be trained "
                f"from epoch {self.until_epoch} on, but the optimizer does not hold "
                "them.\nThey would stay as they are.\n"
                "Make the optimizer of all parameters, or give Freeze an lr= for them."
            )

    def _parameters(self, model: nn.Module) -> list[nn.Parameter]:
        parameters = dict(bare(model).named_parameters())
        frozen: dict[str, nn.Parameter] = {}
        for name in self.names:
            inside = {
                key: parameter
                for key, parameter in parameters.items()
                if key == name or key.startswith(f"{name}.")
            }
            if not inside:
                parts = [key for key, _ in bare(model).named_modules() if key]
                raise ConfigError(
                    f"no parameter of the model has a name that begins with {name!r}."
                    f"{nearest_name(name, [*parts, *parameters])}\n"
                    "Nothing would be frozen.\n"
                    "Look at the names in model.named_parameters()."
                )
            frozen |= inside
        return list(frozen.values())


class StepValues(Callback):
    """Put values of the updates into the history.

    Args:
        names: ``"grad_norm"``: the joint 2-norm of the gradients before they are
            shortened, as the mean over the rows of an epoch. It is free where
            ``max_norm`` is set, and measured otherwise. ``"lr"``: the learning rate of
            every parameter group at the end, as ``lr_0``, ``lr_1`` and so on.

    Raises:
        ConfigError: There is no such value.

    >>> callbacks = [StepValues("grad_norm", "lr")]
    """

    only_watches = True

    def __init__(self, *names: Literal["grad_norm", "lr"]) -> None:
        for name in names or ("",):
            if name not in ("grad_norm", "lr"):
                raise ConfigError(
                    f"StepValues has 'grad_norm' and 'lr', got {name!r}."
                    f"{nearest_name(name, ['grad_norm', 'lr'])}"
                )
        self.names = names
        if "grad_norm" in names:
            self.on_step_end = self._log_norm  # type: ignore[method-assign]
        if "lr" in names:
            self.on_epoch_end = self._log_rates  # type: ignore[method-assign]

    def on_fit_begin(self, trainer: Any) -> None:
        if "grad_norm" in self.names:
            trainer.train_step.measures_norm = True

    def _log_norm(self, trainer: TrainerView, loss: Tensor) -> None:
        norm = trainer.train_step.grad_norm
        if norm is not None:
            trainer.log(grad_norm=norm)

    def _log_rates(self, trainer: TrainerView) -> None:
        for number, group in enumerate(trainer.optimizer.param_groups):
            trainer.log(**{f"lr_{number}": float(group["lr"])})


def _shapes_of(state: dict[str, Any]) -> dict[str, torch.Size]:
    return {k: v.shape for k, v in state.items() if isinstance(v, Tensor)}


def monitored(trainer: TrainerView, name: str) -> float | None:
    """Give the value of ``name`` in the last row of the history.

    Returns:
        None where this row is of an epoch's end or of a validation alone, and has no
        such value. What a callback logs may be of either kind.

    Raises:
        ConfigError: The history has no such key, or no value in this epoch.
    """
    row = trainer.history.last()
    if row.get(name) is None:
        kind = "val_loss" if name.startswith("val_") else "train_loss"
        between = trainer.plan is not None and trainer.plan.val_every is not None
        is_within = trainer.so_far.num_batches > 0  # the epoch's end may bring it yet
        if between and (row.get(kind) is None or is_within or name in row):
            return None
        has = [key for key, value in row.items() if value is not None]
        is_val = name.startswith("val_")
        similar = [key for key in has if key.startswith("val_") == is_val]
        raise ConfigError(
            f"{name!r} is monitored, but the epoch has only {', '.join(has)}."
            f"{nearest_name(name, similar)}\n"
            "Without it nothing can be decided.\n"
            "Give fit() validation data for val_... values, or monitor another one."
        )
    return float(row[name])
