"""A run: checkpoints while training, and going on from the last one, bit for bit."""

import contextlib
import math
import weakref
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack

import torch
from torch import Tensor, nn

from gradatim.callbacks import monitored
from gradatim.data.batches import Batches, as_batches
from gradatim.data.options import BatchKeywords
from gradatim.epoch import no_batch_message
from gradatim.errors import ConfigError, DataError, RunError
from gradatim.history import History
from gradatim.hooks import Callback, TrainerView
from gradatim.interrupt import (
    INTERRUPTED,
    TERMINATED,
    stop_on_ctrl_c,
    stop_on_sigterm,
)
from gradatim.modules import device_of
from gradatim.nested import num_rows
from gradatim.rng import rng_state, set_rng_state
from gradatim.run.checkpoint import Checkpoint, Record
from gradatim.run.choices import (
    by_class_name,
    describe_batches,
    describe_callback,
    describe_loss,
    describe_object,
    keeping_changes,
    plain,
)
from gradatim.run.fingerprint import check_accept
from gradatim.run.module_file import (
    is_saved,
    load_module_state,
    module_state,
    save_modules,
)
from gradatim.run.putting_back import check_optimizers, comparing, taking
from gradatim.run.session import BY_EPOCHS, Schedule, Session
from gradatim.run.tracked import (
    as_tracked,
    callbacks_why_inexact,
    gradients_of,
    set_gradients,
    why_inexact,
)
from gradatim.signatures import shows_options

__all__ = ["Run"]


class Run(Callback):
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

    >>> import gradatim, tempfile
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
    epoch_ends = False
    exports = True
    """Whether the modules are written to ``model/`` when the run has ended."""

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
        _check_mode(mode)
        schedule = Schedule(
            every_s=every_s,
            every_steps=every_steps,
            every_epochs=every_epochs,
            keep_last=keep_last,
            on_save_error=on_save_error,
        )
        self.path = Path(path).absolute()  # also after a later chdir
        self.monitor = monitor
        self.mode = mode
        self.own_config = plain(config or {})
        self.own_data: dict[str, Any] = {}
        self.history = History()
        self._session = Session(self.path, schedule, check_accept(accept))
        self._tracked: dict[str, Any] = {}
        self._gradients = True
        self._is_best = False
        self._is_looping = False
        self._loop: weakref.ref[Generator[Any, None, None]] | None = None
        self._stop_requested: str | None = None
        self._rng: dict[str, Any] | None = None
        self._callbacks: dict[str, Any] = {}
        self._open = contextlib.ExitStack()

    @property
    def step(self) -> int:
        """Updates done."""
        return self._session.record.step

    @property
    def epoch(self) -> int:
        """Whole epochs done."""
        return self._session.record.epoch

    @property
    def batch(self) -> int:
        """Batches done of the epoch at hand."""
        return self._session.record.batch

    def load_best(self, model: nn.Module | None = None) -> dict[str, Any]:
        """Put the weights of the best step into the model.

        Args:
            model: By default what is tracked, or the trainer's.

        Returns:
            Its ``step``, ``epoch``, ``name`` and ``value``.

        Raises:
            RunError: There is no best step, or its checkpoint is damaged.
            ConfigError: No model is given, and none is known yet.
        """
        modules = self._modules() if model is None else {"model": model}
        if not modules:
            raise ConfigError(
                "load_best() has no model to put weights into.\n"
                "This Run has tracked none, and no trainer has used it.\n"
                "Give it: run.load_best(model)."
            )
        best = self._session.record.best
        if best is None and (saved := self._session.checkpoints.newest_record()):
            best = saved.best  # of another process
        if best is None:
            raise RunError(
                f"{self.path} has no best step.\nNo values were compared.\n"
                "Call run.best(value) in the loop, or give a trainer Run(monitor=...)."
            )
        found = self._session.checkpoints.read(f"step-{best['step']}")
        load_module_state(modules, found.model)
        return best

    def _modules(self) -> dict[str, nn.Module]:
        return {k: v for k, v in self._tracked.items() if isinstance(v, nn.Module)}

    def _note_if_best(self, value: float, name: str, mode: str, **where: int) -> bool:
        best = self._session.record.best
        if best is not None and best.get("name") != name:
            raise ConfigError(
                f"best() is given {name!r}, but so far it was {best.get('name')!r}.\n"
                "Which of the two is better cannot be told.\n"
                "Give it one value alone; log() takes the others."
            )
        if value != value:  # NaN never is the best
            return False
        if best is not None:
            better = value < best["value"] if mode == "min" else value > best["value"]
            if not better:
                return False
        self._session.record.best = {**where, "name": name, "value": value}
        return True

    # --- A loop of one's own --------------------------------------------------------

    def track(self, *, gradients: bool = True, **objects: Any) -> None:
        """Name what training changes, and so must be saved.

        Args:
            gradients: Save the ``.grad`` of parameters that have one between two
                batches, for loops that add gradients up over several.
            **objects: Models, optimizers, schedulers, scalers, a ``torch.Generator``
                and anything else with ``state_dict`` and ``load_state_dict``; None is
                left out.

        Raises:
            ConfigError: One has no such methods.
        """
        for name, each in objects.items():
            if each is not None:
                self._tracked[name] = as_tracked(name, each)
        self._gradients = gradients

    @shows_options(BatchKeywords)
    def batches(
        self,
        data: Any,
        *,
        epochs: int,
        device: torch.device | str | None = None,
        **options: Unpack[BatchKeywords],
    ) -> Iterator[Any]:
        """Go through all batches of all epochs, from where the run stands.

        A batch counts as done when the next one is asked for, or the loop ends by
        itself. After ``break`` or an error it does not: to end early, :meth:`stop`.

        Args:
            data: What :class:`~gradatim.data.Batches` takes, which tells the options.
            epochs: The run's total.
            batch_size: As there; this and the next are left out for a ``DataLoader``.
            shuffle: As there.
            seed: As there.
            drop_last: As there.
            num_workers: As there.
            device: As there; by default that of the tracked model.

        Raises:
            ResumeError: Data, configuration or model changed since the run began.
            RunLockedError: Another process is writing to the run.
        """
        if type(epochs) is not int or epochs < 1:
            raise ConfigError(f"epochs must be a whole number from 1, got {epochs!r}.")
        modules = self._modules()
        if device is None and modules:
            device = device_of(next(iter(modules.values())))
        batches = as_batches(data, device=device, **options)
        if self._loop is not None and (earlier := self._loop()) is not None:
            earlier.close()  # which an error has left half done, in a notebook
        loop = self._go_through(batches, epochs)
        self._loop = weakref.ref(loop)
        return loop

    def _go_through(self, batches: Batches, epochs: int) -> Generator[Any, None, None]:
        try:
            yield from self._all_batches(batches, epochs)
        finally:
            self._is_looping = False
        self._leave(self._stop_requested)

    def _all_batches(self, batches: Batches, epochs: int) -> Iterator[Any]:
        session, modules = self._session, self._modules()
        config = {name: describe_object(each) for name, each in self._tracked.items()}
        config |= {"batches": describe_batches(batches), "own": self.own_config}
        self._stop_requested = None
        with session.opened(), stop_on_ctrl_c(self), stop_on_sigterm(self):
            sources, tracked = {"train": batches}, self._tracked.values()
            why_not = why_inexact(tracked, tracked)
            loaded = session.begin(modules, sources, config, self.own_data, why_not)
            session.record.epochs = epochs
            self.history.clear()
            self._is_looping = True
            if loaded is None:
                self._save_loop(batches)
            else:
                with taking(loaded.path):
                    self._load_loop(loaded, batches)
            if loaded is None or not session.has_ended(epochs):
                while self.epoch < epochs and self._stop_requested is None:
                    yield from self._rest_of_epoch(batches)
                    self._end_epoch(batches, epochs)
            self._export()

    def _rest_of_epoch(self, batches: Batches) -> Iterator[Any]:
        record, length = self._session.record, batches.num_batches
        for batch in batches.epoch(record.epoch, start=record.batch):
            self.epoch_ends = record.batch + 1 == length
            self._is_best = False
            yield batch
            # The next batch is asked for: this one is done, and its step with it.
            record.step += 1
            record.batch += 1
            record.samples += _num_rows(batch)
            reason = self._stop_requested
            if reason not in (None, INTERRUPTED, TERMINATED):
                record.ended = reason
            is_due = self._session.is_due(record.step)
            if reason is not None or self._is_best or is_due:
                self._save_loop(batches)
            if reason is not None:
                return

    def _end_epoch(self, batches: Batches, epochs: int) -> None:
        if self._stop_requested is not None:
            return
        session = self._session
        if session.record.batch == 0:
            raise DataError(no_batch_message(f"epoch {self.epoch + 1}"))
        session.record.epoch, session.record.batch = self.epoch + 1, 0
        if self.epoch == epochs:
            session.record.ended = BY_EPOCHS
        every = session.schedule.every_epochs
        if self.epoch == epochs or (every is not None and self.epoch % every == 0):
            self._save_loop(batches)

    def _save_loop(self, batches: Batches) -> None:
        modules = self._modules()
        state = {
            "tracked": {
                name: each.state_dict()
                for name, each in self._tracked.items()
                if name not in modules
            },
            "batches": batches.state_dict(),
            "rng": rng_state(),
        }
        if self._gradients:
            state["gradients"] = gradients_of(modules)
        self._session.save(module_state(modules), state)

    def _load_loop(self, loaded: Checkpoint, batches: Batches) -> None:
        modules, old = self._modules(), loaded.record.config
        load_module_state(modules, loaded.model)
        for name, its in loaded.state["tracked"].items():
            if name in self._tracked:  # not where that was accepted
                value, was = self._tracked[name], old[name]
                with keeping_changes(value, was), comparing(value, was):
                    value.load_state_dict(its)
        if self._gradients:
            set_gradients(modules, loaded.state.get("gradients", {}))
        batches.load_state_dict(loaded.state["batches"])
        check_optimizers(self._tracked.values())
        for row in self._session.rows.go_on_at(loaded.record.history):
            self.history.append(row)
        set_rng_state(loaded.state["rng"])

    def stop(self, reason: str) -> None:
        """End the run after this batch; ``reason`` is kept."""
        self._stop_requested = reason

    def request_stop(self, reason: str) -> None:
        """As :meth:`stop`, for signals."""
        self._stop_requested = reason

    def log(self, **values: Any) -> None:
        """Add a row to ``history`` and to ``history.jsonl``: numbers and texts.

        The number of the step that is being done, and its epoch, go before them.

        Raises:
            RunError: There is no step: it is called outside of the loop.
            ConfigError: A value is neither number nor text.
        """
        self._check_looping("log()")
        row = {"step": self.step + 1, "epoch": self.epoch + 1, **_as_row(values)}
        self._session.rows.append(row)
        self.history.append(row)

    def best(
        self,
        value: float | Tensor,
        *,
        name: str = "value",
        mode: Literal["min", "max"] | None = None,
    ) -> bool:
        """Tell whether ``value`` is the best so far; keep this step's checkpoint then.

        Args:
            value: For example the loss on validation rows.
            name: What it is.
            mode: ``"min"`` or ``"max"``; by default that of the run.

        Raises:
            RunError: There is no step: it is called outside of the loop.
            ConfigError: ``name`` is another than before.
        """
        self._check_looping("best()")
        _check_mode(mode or self.mode)
        where = {"step": self.step + 1, "epoch": self.epoch + 1}
        found = self._note_if_best(float(value), name, mode or self.mode, **where)
        self._is_best |= found
        return found

    def _check_looping(self, call: str) -> None:
        if not self._is_looping:
            raise RunError(
                f"{call} is called outside of a loop over run.batches(...).\n"
                "It is kept with the checkpoint of a step, and there is none now.\n"
                "Call it in the loop; if run.epoch_ends: is the end of an epoch."
            )

    # --- As a callback of the trainer -----------------------------------------------

    def on_fit_begin(self, trainer: TrainerView) -> None:
        plan, session = trainer.plan, self._session
        assert plan is not None
        self._open.enter_context(session.opened())
        self._open.enter_context(stop_on_sigterm(trainer))
        others = [
            each
            for each in plan.callbacks
            if each is not self and not getattr(each, "only_watches", False)
        ]
        self._callbacks = by_class_name(others)
        self._tracked = {"model": trainer.model}
        sources = {"train": plan.batches}
        if plan.val_batches is not None:
            sources["val"] = plan.val_batches
        modules, config = self._modules(), self._config(trainer)
        why_not = why_inexact([trainer.model, trainer.loss_fn], [trainer.optimizer])
        why_not += callbacks_why_inexact(others, trainer)
        loaded = session.begin(modules, sources, config, self.own_data, why_not)
        record = session.record
        if loaded is None:
            record.first_epoch = plan.first_epoch
            for row in trainer.history.to_dicts():  # of epochs before the run
                session.rows.append(_as_row(row))
        else:
            with taking(loaded.path):
                self._load_trainer(loaded, trainer)
        plan.first_epoch = record.first_epoch
        plan.last_epoch = record.first_epoch + plan.epochs
        record.epochs = plan.last_epoch
        if loaded is None:
            self._save_trainer(trainer)
        elif session.has_ended(plan.last_epoch) and record.ended != BY_EPOCHS:
            trainer.stop(str(record.ended))

    def on_epoch_begin(self, trainer: TrainerView) -> None:
        if self._rng is not None and trainer.so_far.num_batches:
            set_rng_state(self._rng)  # what callbacks draw now was drawn before
        self._rng = None

    def on_step_end(self, trainer: TrainerView, loss: Tensor) -> None:
        session = self._session
        session.record.step = step = trainer.train_step.num_steps
        if trainer.should_stop or session.is_due(step):
            self._save_trainer(trainer)

    def on_epoch_end(self, trainer: TrainerView) -> None:
        session, plan = self._session, trainer.plan
        assert plan is not None
        session.rows.append(_as_row(trainer.history.last()))
        found = False
        if self.monitor is not None:
            value = monitored(trainer, self.monitor)
            where = {"step": trainer.num_steps, "epoch": trainer.epoch}
            found = self._note_if_best(value, self.monitor, self.mode, **where)
        is_last = trainer.epoch >= plan.last_epoch
        by_signal = trainer.history.stop_reason in (INTERRUPTED, TERMINATED)
        if is_last and (by_signal or not trainer.should_stop):
            session.record.ended = BY_EPOCHS
        every = session.schedule.every_epochs
        if (
            is_last
            or found
            or trainer.should_stop
            or (every is not None and trainer.epoch % every == 0)
            or session.is_due(trainer.num_steps)
        ):
            self._save_trainer(trainer)

    def on_fit_end(self, trainer: TrainerView) -> None:
        completed = trainer.plan is not None and trainer.plan.completed
        with self._open.pop_all():
            if completed:
                # After the other callbacks: the best weights may be back by now.
                self._export()
        if completed:
            self._leave(trainer.stop_requested)

    def _export(self) -> None:
        """Write ``model/`` of a run that has ended, also where a kill came before."""
        modules, path = self._modules(), self.path / "model"
        ended = self._session.record.ended is not None
        if ended and self.exports and not is_saved(path, modules):
            save_modules(path, modules)

    def _leave(self, reason: str | None) -> None:
        """Leave as the signal would have had it, now that everything is saved."""
        if reason == TERMINATED:
            raise SystemExit(143)
        if reason == INTERRUPTED:
            raise KeyboardInterrupt

    def _config(self, trainer: TrainerView) -> dict[str, Any]:
        """Give every choice that decides what is trained, and how."""
        step, plan = trainer.train_step, trainer.plan
        assert plan is not None
        val = plan.val_batches
        return {
            "loss": describe_loss(trainer.loss_fn),
            "optimizer": describe_object(trainer.optimizer),
            "batches": describe_batches(plan.batches),
            "max_norm": step.max_norm,
            "num_microbatches": step.num_microbatches,
            "precision": step.precision,
            "on_nonfinite": step.on_nonfinite,
            "val_batches": None if val is None else describe_batches(val),
            "callbacks": {k: describe_callback(v) for k, v in self._callbacks.items()},
            "best": {"monitor": self.monitor, "mode": self.mode},
            "own": self.own_config,
        }

    def _save_trainer(self, trainer: TrainerView) -> None:
        record, reason = self._session.record, trainer.history.stop_reason
        if trainer.should_stop and reason not in (INTERRUPTED, TERMINATED):
            record.ended = reason
        record.step, record.epoch = trainer.num_steps, trainer.epoch
        record.batch = trainer.so_far.num_batches
        record.samples = trainer.num_samples
        callbacks = {
            name: each.state_dict()
            for name, each in self._callbacks.items()
            if hasattr(each, "state_dict")
        }
        self._session.save(
            module_state(self._modules()),
            {
                "trainer": trainer.state_dict(model=False),
                "callbacks": callbacks,
                "rng": rng_state(),
            },
        )

    def _load_trainer(self, loaded: Checkpoint, trainer: TrainerView) -> None:
        state, old = loaded.state["trainer"], loaded.record.config
        load_module_state(self._modules(), loaded.model)
        record = self._session.record
        if old["best"] != record.config["best"]:  # which was accepted
            record.best = None
        same_loss = old["loss"] == describe_loss(trainer.loss_fn)  # else accepted
        optimizer, was = trainer.optimizer, old["optimizer"]
        with keeping_changes(optimizer, was), comparing(optimizer, was):
            trainer.load_state_dict(state, model=False, loss=same_loss)
        check_optimizers([trainer.optimizer])
        _check_place(trainer, loaded.record)
        trainer.history.clear()
        for row in self._session.rows.go_on_at(loaded.record.history):
            trainer.history.append(row)
        for name, its in loaded.state["callbacks"].items():
            callback: Any = self._callbacks.get(name)  # None where that was accepted
            if hasattr(callback, "load_state_dict"):
                scheduler = getattr(callback, "scheduler", None)
                was = old["callbacks"][name].get("scheduler", {})
                with keeping_changes(scheduler, was), comparing(scheduler, was):
                    callback.load_state_dict(its)
        self._rng = loaded.state["rng"]
        set_rng_state(self._rng)


def _check_place(trainer: TrainerView, record: Record) -> None:
    """Compare where the trainer stands with what the checkpoint says of itself."""
    so_far = trainer.so_far
    found = trainer.num_steps, trainer.epoch, so_far.num_batches, trainer.num_samples
    wanted = record.step, record.epoch, record.batch, record.samples
    if found != wanted:
        raise ValueError(f"the trainer is at {found}, the checkpoint at {wanted}")


def _num_rows(batch: Any) -> int:
    try:
        return num_rows(batch)
    except DataError:  # a graph, or texts: the loop alone knows
        return 0


def _as_row(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the number of a tensor or array that has just one."""
    row = dict(values)
    for name, value in values.items():
        if hasattr(value, "item") and math.prod(value.shape) == 1:
            row[name] = value.item()
    return row


def _check_mode(mode: str) -> None:
    if mode not in ("min", "max"):
        raise ConfigError(f"mode must be 'min' or 'max', got {mode!r}.")
