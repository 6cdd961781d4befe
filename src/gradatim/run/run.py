"""A run: checkpoints while training, and going on from the last one, bit for bit.

``Run`` is one class for its users. What serves a loop of one's own is in
``own_loop.py``; here are the options, and what serves a trainer as a callback.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from gradatim.callbacks import monitored
from gradatim.data.digest import EVERY_BYTE
from gradatim.epoch import Plan
from gradatim.errors import NonFiniteLossError
from gradatim.hooks import Callback, TrainerView
from gradatim.interrupt import UNFINISHED, stop_on_sigterm
from gradatim.run.broken_off import callback_at_fault, called_in_vain, not_called
from gradatim.run.checkpoint import Checkpoint, CheckpointOptions
from gradatim.run.choices import (
    FROZEN,
    by_class_name,
    describe_batches,
    describe_callback,
    describe_loss,
    describe_object,
    plain,
)
from gradatim.run.fingerprint import check_accept
from gradatim.run.groups import Groups
from gradatim.run.noted import NotedOfCallbacks
from gradatim.run.own_loop import OwnLoop, as_row
from gradatim.run.putting_back import StatesByName, check_optimizers, taking_state
from gradatim.run.session import BY_EPOCHS, BY_STEPS, Session, leave, tell
from gradatim.run.stateful import GlobalGenerators, Modes, Stateful
from gradatim.run.tracked import (
    FUNCTIONS,
    STEP_PARTS,
    Parts,
    options_now,
    put_options_back,
)
from gradatim.run.why_inexact import callbacks_why_inexact, saved_why_inexact
from gradatim.text import one_line

__all__ = ["Run"]

STEP_OPTIONS = ("max_norm", "num_microbatches", "precision", "on_nonfinite")
"""The options of a step that a run must not change."""


class Run(OwnLoop, Callback):
    """A folder with everything of one training, from which it goes on exactly.

    The same line starts a run and goes on with it. As a callback it is
    ``trainer.fit(..., epochs=100, callbacks=[Run("runs/x")])``, where ``epochs`` is the
    run's total. For a loop of one's own::

        run = Run("runs/x", every_s=30)
        run.track(model=model, optimizer=optimizer, scheduler=scheduler)
        for x, y in run.batches(train, batch_size=64, epochs=100, seed=42):
            train_step(x, y)

    A checkpoint is written at the start, as often as is asked for, at the end, and on
    SIGTERM and Ctrl-C, after the step at hand. SIGTERM then exits with 143, and Ctrl-C
    raises ``KeyboardInterrupt``, which ends a program with 130. A kill at any instant
    leaves the last checkpoint whole.

    Going on, data, configuration and model are compared with those the run began with,
    and it is said whether what follows has the bits of a run that was never stopped.

    Args:
        path: The run's folder; made where there is none.
        every_s: Seconds between checkpoints; None for no such.
        every_steps: Updates between checkpoints.
        every_epochs: Epochs between checkpoints.
        keep_last: How many stay, 1 or more. With 2 or more there is one to fall back to
            when the last one is damaged.
        monitor: For a ``Trainer``: a key of the history whose best epoch's checkpoint
            is kept; see :meth:`load_best`.
        mode: Whether less (``"min"``) or more (``"max"``) is better.
        accept: ``"data"`` or ``"config"``, or both: go on though these changed. The
            numbers of optimizer, schedule and loss are then the new ones.
        config: Choices of your own that must not change when the run goes on, as JSON.
        on_save_error: When the disk does not take a checkpoint: ``"raise"``, or
            ``"warn"`` and train on.

    Attributes:
        epoch_ends: In a loop of one's own: whether this is the last batch of its
            epoch; False where the data do not say how many there are.
        history: In a loop of one's own, a :class:`~gradatim.History` of what
            :meth:`log` was given.

    Raises:
        ConfigError: An option is out of its range.

    >>> import gradatim, tempfile, torch
    >>> from torch import nn
    >>> x, y = gradatim.data.line()
    >>> model = nn.Linear(1, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> train_step = gradatim.make_train_step(model, nn.MSELoss(), optimizer)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     run = Run(f"{folder}/x")
    ...     run.track(model=model, optimizer=optimizer)
    ...     for batch in run.batches((x, y), batch_size=50, epochs=3, seed=42):
    ...         loss = train_step(*batch)
    >>> run.step, run.epoch
    (6, 3)
    """

    goes_last = True

    def __init__(
        self,
        path: str | Path,
        *,
        every_s: float | None = 30.0,
        every_steps: int | None = None,
        every_epochs: int | None = None,
        keep_last: int = 3,
        monitor: str | None = None,
        mode: Literal["min", "max"] = "min",
        accept: str | Sequence[str] = (),
        config: Mapping[str, Any] | None = None,
        on_save_error: Literal["raise", "warn"] = "raise",
    ) -> None:
        options = CheckpointOptions(
            every_s=every_s,
            every_steps=every_steps,
            every_epochs=every_epochs,
            keep_last=keep_last,
            on_save_error=on_save_error,
        )
        self.path = Path(path).absolute()  # also after a later chdir
        self.monitor = monitor
        session = Session(self.path, options, check_accept(accept))
        super().__init__(session, mode=mode, own_config=plain(config or {}))
        self._callbacks: dict[str, Any] = {}
        """The trainer's other callbacks, by their names."""
        self._trained: dict[str, nn.Module] = {}
        """The trainer's model, and its loss if that is a module."""
        self._parts = self._functions = Parts([])
        self._noted = NotedOfCallbacks({}, {})
        self._is_begun = False
        self._last_step = 0
        """The last step whose hooks were all called."""
        self._num_rows = 0
        """Rows of the trainer's history that are in the run's."""
        self._rng_in_epoch: dict[str, Any] | None = None
        """The random generators as a checkpoint had them, until the epoch goes on."""
        self._open = contextlib.ExitStack()

    # --- As a callback of the trainer -----------------------------------------------

    def on_fit_begin(self, trainer: Any) -> None:
        plan, session = _plan_of(trainer), self._session
        self._open.enter_context(session.opened())
        self._open.enter_context(stop_on_sigterm(trainer))
        others = [
            callback
            for callback in plan.callbacks
            if callback is not self and not getattr(callback, "only_watches", False)
        ]
        self._callbacks = by_class_name(others)
        self._tracked = {"model": trainer.model}
        self._trained = {"model": trainer.model}
        if isinstance(trainer.loss_fn, nn.Module):
            self._trained["loss_fn"] = trainer.loss_fn
        optimizer = trainer.train_step.optimizer
        self._groups = Groups({"optimizer": optimizer}, self._trained)
        self._parts = Parts(self._places(trainer))
        step = trainer.train_step
        self._functions = Parts(("train_step", step, part) for part in FUNCTIONS)
        self._noted = NotedOfCallbacks(self._callbacks, self._trained)
        sources = {"train": plan.batches}
        if plan.val_batches is not None:
            sources["val"] = plan.val_batches
        modules, config = self._modules(), self._config(trainer)
        why_not = saved_why_inexact([*self._trained.values(), optimizer])
        why_not += callbacks_why_inexact(others, trainer)
        engine = trainer.train_step.engine.name
        loaded = session.begin(modules, sources, config, self.own_data, why_not, engine)
        header = session.header
        if loaded is None:
            header.first_epoch, header.first_step = plan.first_epoch, plan.first_step
            for row in trainer.history.to_dicts():  # of epochs before the run
                session.rows.append(as_row(row))
        else:
            self._load_trainer(loaded, trainer)
            noted = loaded.state.get("untracked", {})
            session.add_why_not(self._noted.why_inexact(noted))
        self._last_step = trainer.num_steps
        self._num_rows = trainer.history.num_epochs
        plan.first_epoch, plan.first_step = header.first_epoch, header.first_step
        header.epochs = plan.last_epoch or 0
        if loaded is None:
            self._save_trainer(trainer)
        elif session.has_ended(plan) and header.ended not in (BY_EPOCHS, BY_STEPS):
            trainer.stop(str(header.ended))
        self._is_begun = True

    def on_epoch_begin(self, trainer: Any) -> None:
        if self._rng_in_epoch is not None and trainer.so_far.num_batches:
            # What callbacks draw at the beginning of an epoch was drawn before.
            GlobalGenerators().load_state_dict(self._rng_in_epoch)
        self._rng_in_epoch = None

    def on_step_end(self, trainer: Any, loss: Tensor) -> None:
        session = self._session
        session.header.step = self._last_step = step = trainer.num_steps
        if trainer.should_stop or session.is_due(step):
            self._save_trainer(trainer)

    def on_stop(self, trainer: Any) -> None:
        self._session.header.step = trainer.num_steps
        self._save_trainer(trainer)

    def on_history(self, trainer: Any) -> None:
        session, plan = self._session, _plan_of(trainer)
        is_best = self._take_row(trainer)
        is_last = plan.is_done(trainer.epoch, trainer.num_steps)
        is_unfinished = trainer.history.stop_reason in UNFINISHED
        if is_last and (is_unfinished or not trainer.should_stop):
            by_epochs = trainer.epoch == plan.last_epoch
            session.header.ended = BY_EPOCHS if by_epochs else BY_STEPS
        if (
            is_last
            or is_best
            or trainer.should_stop
            or (
                trainer.so_far.num_batches == 0  # an epoch has ended
                and session.ends_with_checkpoint(trainer.epoch)
            )
            or session.is_due(trainer.num_steps)
        ):
            self._save_trainer(trainer)

    def _take_row(self, trainer: TrainerView) -> bool:
        """Take over the history's last row; tell whether it is the best so far."""
        self._session.rows.append(as_row(trainer.history.last()))
        self._num_rows += 1
        if self.monitor is None:
            return False
        value = monitored(trainer, self.monitor)
        return value is not None and self._session.note_if_best(
            value,
            self.monitor,
            self.mode,
            step=trainer.num_steps,
            epoch=trainer.epoch,
        )

    def on_exception(self, trainer: Any, error: BaseException) -> None:
        at_fault = callback_at_fault(error, _plan_of(trainer).callbacks)
        if not self._is_begun or at_fault is self:
            return
        if isinstance(error, NonFiniteLossError):
            error.args = (f"{error}\n{self._session.newest_line()}",)
        elif trainer.between_steps and not isinstance(error, KeyboardInterrupt):
            try:
                self._save_broken_off(trainer, at_fault)
            except Exception as failure:  # the error that came first is passed on
                told = one_line(failure)
                error.add_note(f"{self.path}: what was trained is not saved: {told}")

    def _save_broken_off(self, trainer: TrainerView, at_fault: Any) -> None:
        """Save the state between two updates, with what was not done for it."""
        header, plan = self._session.header, _plan_of(trainer)
        callbacks = [callback for callback in plan.callbacks if callback is not self]
        reasons, names = [], []
        if trainer.num_steps > self._last_step:
            names = not_called(at_fault, callbacks, ["on_step_end"])
        elif trainer.history.num_epochs > self._num_rows:
            names = not_called(at_fault, callbacks, ["on_epoch_end", "on_history"])
            self._take_row(trainer)
        else:
            for name in called_in_vain(callbacks, ["on_epoch_begin", "on_step_begin"]):
                reasons.append(f"{name} is called once more for the step of an error")
            covers = header.data["train"].get("covers")
            if covers != EVERY_BYTE or plan.batches.state_dict():
                reasons.append("the data were asked for the batch of an error")
        for name in names:
            reasons.append(f"an error kept {name} from being called")
        self._save_trainer(trainer, more_why_not=reasons, ends=False)
        tell(f"{self.path}: step {header.step:,} is saved, as an error ends the fit")

    def on_fit_end(self, trainer: Any) -> None:
        self._is_begun = False
        completed = trainer.plan is not None and trainer.plan.completed
        Modes(self._trained).look()
        with self._open.pop_all():
            if completed and self.exports:
                # After the other callbacks: the best weights may be back by now.
                self._session.export(self._modules())
        if completed:
            self._leave(trainer.stop_requested)

    _leave = staticmethod(leave)

    def _config(self, trainer: TrainerView) -> dict[str, Any]:
        """Give every choice that decides what is trained, and how."""
        step, plan = trainer.train_step, _plan_of(trainer)
        options, val = describe_object(step), plan.val_batches
        return {
            "loss": describe_loss(trainer.loss_fn),
            "model": {FROZEN: describe_object(trainer.model)[FROZEN]},
            "optimizer": describe_object(step.optimizer),
            "batches": describe_batches(plan.batches, epoch_steps=plan.epoch_steps),
            **{name: options[name] for name in STEP_OPTIONS},
            "val_batches": None if val is None else describe_batches(val),
            "callbacks": {k: describe_callback(v) for k, v in self._callbacks.items()},
            "best": {"monitor": self.monitor, "mode": self.mode},
            "own": self.own_config,
            # Runs that began before there was such a choice do not have it.
            **({} if plan.val_every is None else {"val_every": plan.val_every}),
        }

    def _places(self, trainer: TrainerView) -> Iterator[tuple[str, Any, str]]:
        """Give where objects stand that must stay the same until ``fit`` ends."""
        for part in ("model", "optimizer", "train_step"):
            yield "trainer", trainer, part
        for part in STEP_PARTS:
            yield "trainer.train_step", trainer.train_step, part
        for name, callback in self._callbacks.items():
            if hasattr(callback, "scheduler"):
                yield name, callback, "scheduler"

    def _save_trainer(
        self,
        trainer: TrainerView,
        *,
        more_why_not: Sequence[str] = (),
        ends: bool = True,
    ) -> None:
        session, reason = self._session, trainer.history.stop_reason
        header = session.header
        if ends and trainer.should_stop and reason not in UNFINISHED:
            header.ended = reason
        header.step, header.epoch, header.batch, header.samples = _place_of(trainer)
        self._parts.check()
        self._noted.look()
        at_the_end = _plan_of(trainer).only_at_the_end
        header.why_not = [*self._functions.why_inexact(), *at_the_end, *more_why_not]
        session.check_finite(self._trained)
        with trainer.scored_weights():
            session.save(self._modules(), self._states_of(trainer))
        session.tell_inexact(self._noted.news())

    def _load_trainer(self, loaded: Checkpoint, trainer: TrainerView) -> None:
        header, began = self._session.header, loaded.header.config
        if began["best"] != header.config["best"]:  # which was accepted
            header.best = None
        states = self._states_of(trainer, began)
        self._session.load(loaded, self._modules(), states, trainer.history)
        self._rng_in_epoch = loaded.state["rng"]

    def _states_of(
        self, trainer: TrainerView, began: Mapping[str, Any] | None = None
    ) -> dict[str, Stateful]:
        """Give what a checkpoint holds beside the model, in the order of loading.

        ``began`` is the configuration with which the run began, where it goes on.
        """
        began = began or {}
        callbacks = self._callbacks

        def schedule_of(name: str) -> tuple[Any, Mapping[str, Any]]:
            scheduler = getattr(callbacks[name], "scheduler", None)
            return scheduler, began["callbacks"][name].get("scheduler", {})

        return {
            "groups": self._groups,
            "trainer": _TrainerState(trainer, self._session, began),
            "callbacks": StatesByName(callbacks, schedule_of),
            "rng": GlobalGenerators(),
            "modes": Modes(self._trained, began),
            "untracked": self._noted,
        }


@dataclass(frozen=True)
class _TrainerState:
    """The state of a trainer without its model."""

    trainer: TrainerView
    session: Session
    began: Mapping[str, Any]
    """The choices when the run began."""

    def state_dict(self) -> dict[str, Any]:
        options = options_now(self.trainer.train_step)
        return {**self.trainer.state_dict(model=False), "options": options}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        trainer, header = self.trainer, self.session.header
        if "options" in state:  # which earlier versions did not save
            put_options_back(trainer.train_step, state["options"], self.began)
        # Where another loss was accepted, its own numbers train.
        same_loss = self.began["loss"] == describe_loss(trainer.loss_fn)
        optimizer = trainer.train_step.optimizer
        with taking_state(optimizer, self.began["optimizer"]):
            trainer.load_state_dict(state, model=False, loss=same_loss)
        check_optimizers([optimizer])
        place = header.step, header.epoch, header.batch, header.samples
        if _place_of(trainer) != place:
            raise ValueError(
                f"the trainer is at {_place_of(trainer)}, the checkpoint at {place}"
            )


def _place_of(trainer: TrainerView) -> tuple[int, int, int, int]:
    """Give updates, epochs, batches of the epoch at hand, and rows, all done so far."""
    num_batches = trainer.so_far.num_batches
    return trainer.num_steps, trainer.epoch, num_batches, trainer.num_samples


def _plan_of(trainer: TrainerView) -> Plan:
    assert trainer.plan is not None  # a hook is called while fit() runs
    return trainer.plan
