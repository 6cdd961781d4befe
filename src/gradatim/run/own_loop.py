"""A run of a loop of one's own: tracked objects, batches, rows and the best step."""

import contextlib
import math
import weakref
from collections.abc import Generator, Iterator, Mapping
from typing import Any, Literal, Unpack

import torch
from torch import Tensor, nn

from gradatim.data.batches import Batches, as_batches
from gradatim.data.options import BatchKeywords
from gradatim.data.passes import Passes
from gradatim.epoch import Plan, no_batch_message
from gradatim.errors import ConfigError, DataError, RunError
from gradatim.history import History
from gradatim.interrupt import (
    INTERRUPTED,
    TERMINATED,
    FetchStopped,
    stop_on_ctrl_c,
    stop_on_sigterm,
)
from gradatim.modules import device_of
from gradatim.rows import num_rows
from gradatim.run.checkpoint import Checkpoint
from gradatim.run.choices import describe_batches, describe_object
from gradatim.run.groups import Groups
from gradatim.run.putting_back import StatesByName
from gradatim.run.session import BY_EPOCHS, BY_STEPS, Session, leave, tell
from gradatim.run.stateful import (
    GlobalGenerators,
    Gradients,
    Modes,
    Stateful,
    as_stateful,
)
from gradatim.run.tracked import Tracked
from gradatim.run.untracked import Untracked
from gradatim.run.why_inexact import saved_why_inexact
from gradatim.signatures import refuse_unknown, shows_options
from gradatim.step import TrainStep
from gradatim.trainer import Trainer
from gradatim.world import refuse_processes

__all__ = ["OwnLoop", "as_row", "check_mode"]

STEP = "train_step"
"""The name of the train step that is tracked without one."""


class OwnLoop:
    """The half of :class:`gradatim.Run` that serves a loop of one's own.

    ``Run`` adds what serves a trainer.
    """

    epoch_ends = False
    exports = True
    """Whether the modules are written to ``model/`` when the run has ended."""

    def __init__(
        self, session: Session, *, mode: str, own_config: dict[str, Any]
    ) -> None:
        check_mode(mode)
        self.mode = mode
        self.own_config = own_config
        self.own_data: dict[str, Any] = {}
        """Digests of more data that must not change."""
        self.history = History()
        self._session = session
        self._tracked: dict[str, Stateful] = {}
        self._saved = Tracked({})
        """What is tracked in the loop at hand."""
        self._groups = Groups({}, {})
        self._untracked: Untracked
        self._passes: Passes
        self._keeps_gradients = True
        self._is_best = False
        """Whether the step at hand is the best so far."""
        self._is_looping = False
        self._newest_loop: weakref.ref[Generator[Any, None, None]] | None = None
        self._stop_requested: str | None = None

    @property
    def step(self) -> int:
        """Updates done."""
        return self._session.header.step

    @property
    def epoch(self) -> int:
        """Whole epochs done."""
        return self._session.header.epoch

    @property
    def batch(self) -> int:
        """Batches done of the epoch at hand."""
        return self._session.header.batch

    def _modules(self) -> dict[str, nn.Module]:
        return Tracked(self._tracked).modules

    def track(
        self,
        train_step: TrainStep | None = None,
        /,
        *,
        gradients: bool = True,
        **objects: Any,
    ) -> None:
        """Name what training changes, and so must be saved.

        Args:
            train_step: What :func:`~gradatim.make_train_step` gave: its model,
                optimizer, schedule, loss and counters are saved, and need not be named.
                Further steps go by names, as ``critic=critic_step``.
            gradients: Save the ``.grad`` of parameters that have one between two
                batches, for loops that add gradients up over several.
            **objects: Models, optimizers, schedulers, scalers, a ``torch.Generator``
                and anything else with ``state_dict`` and ``load_state_dict``; None is
                left out.

        Raises:
            ConfigError: One has no such methods, or no name.
        """
        if train_step is not None:
            objects = {STEP: _checked_step(train_step), **objects}
        for name, value in objects.items():
            if value is not None:
                self._tracked[name] = as_stateful(name, value)
        self._keeps_gradients = gradients

    @shows_options(BatchKeywords, before="device")
    def batches(
        self,
        data: Any,
        *,
        epochs: int | None = None,
        max_steps: int | None = None,
        epoch_steps: int | None = None,
        device: torch.device | str | None = None,
        **options: Unpack[BatchKeywords],
    ) -> Iterator[Any]:
        """Go through all batches of all epochs, from where the run stands.

        A batch counts as done when the next one is asked for, or the loop ends by
        itself. After ``break`` or an error it does not: to end early, :meth:`stop`.

        Args:
            data: What :class:`~gradatim.data.Batches` takes, which tells the options.
            epochs: The run's total.
            max_steps: The run's total of updates; what is reached first ends it.
            epoch_steps: Updates in an epoch. Data without an end go on where they are,
                others begin anew where they end. By default an epoch is a pass over the
                data.
            batch_size: As there; this and the next are left out for a ``DataLoader``.
            shuffle: As there.
            seed: As there.
            drop_last: As there.
            num_workers: As there.
            collate_fn: As there.
            sampler: As there.
            weights: As there.
            device: As there; by default that of the tracked model.

        Raises:
            ResumeError: Data, configuration or model changed since the run began.
            RunLockedError: Another process is writing to the run.
        """
        refuse_unknown("batches", options, BatchKeywords.__annotations__)
        refuse_processes("run.batches()")
        if epochs is None and max_steps is None:
            raise ConfigError(
                "batches() was told neither epochs= nor max_steps=.\n"
                "It would not know when to end.\n"
                "Give one: epochs=10 in all, or max_steps=1000 updates in all."
            )
        modules = self._modules()
        if device is None and modules:
            device = device_of(next(iter(modules.values())))
        batches = as_batches(data, device=device, **options)
        plan = Plan(
            0, epochs, batches, None, [], max_steps=max_steps, epoch_steps=epoch_steps
        )
        # In a notebook an error leaves an earlier loop open: its traceback keeps it.
        if self._newest_loop is not None and (earlier := self._newest_loop()):
            earlier.close()
        loop = self._go_through(plan)
        self._newest_loop = weakref.ref(loop)
        return loop

    def _go_through(self, plan: Plan) -> Generator[Any, None, None]:
        session, modules, batches = self._session, self._modules(), plan.batches
        tracked = self._saved = Tracked(self._tracked)
        named = tracked.modules | tracked.others
        config = {name: describe_object(value) for name, value in named.items()}
        about = describe_batches(batches, epoch_steps=plan.epoch_steps)
        config |= {"batches": about, "own": self.own_config}
        saved = [*named.values(), *tracked.losses.values()]
        self._groups = Groups(tracked.optimizers, tracked.trained)
        why_not = saved_why_inexact(saved)
        self._untracked = Untracked(tracked, self._tracked, batches)
        self._passes = Passes(batches)
        self._stop_requested = None
        with session.opened(), stop_on_ctrl_c(self), stop_on_sigterm(self):
            sources = {"train": batches}
            loaded = session.begin(modules, sources, config, self.own_data, why_not)
            session.header.epochs = plan.epochs or 0
            self.history.clear()
            if loaded is None:
                self._save(batches)
            else:
                self._load(loaded, batches)
                noted = loaded.state.get("untracked", {})
                session.add_why_not(self._untracked.why_inexact(noted))
            if loaded is None or not session.has_ended(plan):
                with self._untracked.heard():
                    yield from self._all_batches(plan)
            if self.exports:
                session.export(modules)
        leave(self._stop_requested)

    def _all_batches(self, plan: Plan) -> Iterator[Any]:
        self._is_looping = True
        try:
            while self._stop_requested is None:
                if plan.is_done(self.epoch, self.step):
                    return
                try:
                    yield from self._rest_of_epoch(plan)
                except FetchStopped as stopped:
                    self._stop_requested = self._stop_requested or stopped.reason
                    self._save(plan.batches)
        finally:
            self._is_looping = False
            Modes(self._saved.trained).look()

    def _rest_of_epoch(self, plan: Plan) -> Iterator[Any]:
        header, passes, batches = self._session.header, self._passes, plan.batches
        goes_on, length = plan.epoch_steps is not None, plan.batches_per_epoch
        is_full = header.batch == plan.epoch_steps
        for batch in () if is_full else passes.batches(goes_on=goes_on):
            num_before = header.batch if goes_on else passes.num_batches
            self.epoch_ends = num_before + 1 == length
            self._is_best = False
            try:
                yield batch
            except GeneratorExit:
                self._tell_left()
                raise
            # The next batch is asked for: this one is done, and its step with it.
            self._untracked.after_batch()
            header.step += 1
            header.batch += 1
            passes.num_batches += 1
            # Of a graph, or of texts, the loop alone knows how many rows they have.
            with contextlib.suppress(DataError):
                header.samples += num_rows(batches.as_parts(batch))
            is_full = header.batch == plan.epoch_steps
            self._save_if_due(plan, is_full=is_full)
            if self._stop_requested is not None:
                return
            if is_full:
                break
            if header.step == plan.last_step:
                return
        if not is_full:
            if goes_on or not passes.num_batches:
                over = f"pass {passes.number + 1} over the data"
                raise DataError(
                    no_batch_message(over if goes_on else f"epoch {self.epoch + 1}")
                )
            passes.begin_next()
        self._end_epoch(plan)

    def _save_if_due(self, plan: Plan, *, is_full: bool) -> None:
        """Save the step that is done, where it ends the run, is the best, or is due."""
        header, reason = self._session.header, self._stop_requested
        if reason not in (None, INTERRUPTED, TERMINATED):
            header.ended = reason
        is_last = header.step == plan.last_step and not is_full
        if is_last and reason is None:
            header.ended = BY_STEPS
        is_due = self._session.is_due(header.step)
        if reason is not None or is_last or self._is_best or is_due:
            self._save(plan.batches)

    def _tell_left(self) -> None:
        """Say that the step at hand is lost, where the loop has made its update."""
        if self._untracked.has_updated:
            tell(
                f"{self._session.path}: the loop was left in step {self.step + 1:,}, "
                f"which does not count: the run stands at step {self.step:,}. To end a "
                "loop early and keep its last step: run.stop('why')."
            )

    def _end_epoch(self, plan: Plan) -> None:
        session, header = self._session, self._session.header
        header.epoch, header.batch = self.epoch + 1, 0
        is_done = plan.is_done(self.epoch, self.step)
        if is_done:
            header.ended = BY_EPOCHS if self.epoch == plan.epochs else BY_STEPS
        if is_done or session.ends_with_checkpoint(self.epoch):
            self._save(plan.batches)

    def _save(self, batches: Batches) -> None:
        tracked, session = self._saved, self._session
        tracked.parts.check()
        self._untracked.look()
        session.header.why_not = tracked.functions.why_inexact()
        session.check_finite(tracked.trained)
        session.save(tracked.modules, self._states(batches))
        session.tell_inexact(self._untracked.news())

    def _load(self, loaded: Checkpoint, batches: Batches) -> None:
        header = loaded.header
        loaded.state.setdefault("gradients", {})  # they may not have been kept before
        # Before an epoch could have a number of steps, it was a pass.
        place = {"number": header.epoch, "num_batches": header.batch}
        loaded.state.setdefault("passes", place)
        states = self._states(batches, began=loaded.header.config)
        self._session.load(loaded, self._saved.modules, states, self.history)

    def _states(
        self, batches: Batches, began: Mapping[str, Any] | None = None
    ) -> dict[str, Stateful]:
        tracked, descriptions = self._saved, began or {}
        others = tracked.others
        states: dict[str, Stateful] = {
            "groups": self._groups,
            "tracked": StatesByName(
                tracked.states(descriptions), lambda k: (others[k], descriptions[k])
            ),
            "batches": batches,
            "passes": self._passes,
            "rng": GlobalGenerators(),
            "modes": Modes(tracked.trained, descriptions),
            "untracked": self._untracked,
        }
        if self._keeps_gradients:
            states["gradients"] = Gradients(tracked.trained)
        return states

    def stop(self, reason: str) -> None:
        """End the run after this batch; ``reason`` is kept."""
        self._stop_requested = reason

    request_stop = stop
    """What a signal calls."""

    def log(self, **values: Any) -> None:
        """Add a row to ``history`` and to ``history.jsonl``: numbers and texts.

        The number of the step that is being done, and its epoch, go before them.

        Raises:
            RunError: There is no step: it is called outside of the loop.
            ConfigError: A value is neither number nor text.
        """
        self._check_looping("log()")
        row = {"step": self.step + 1, "epoch": self.epoch + 1, **as_row(values)}
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
        mode_of_value = mode or self.mode
        check_mode(mode_of_value)
        is_best = self._session.note_if_best(
            float(value), name, mode_of_value, step=self.step + 1, epoch=self.epoch + 1
        )
        self._is_best |= is_best
        return is_best

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
        return self._session.load_best(modules)

    def _check_looping(self, call: str) -> None:
        if not self._is_looping:
            raise RunError(
                f"{call} is called outside of a loop over run.batches(...).\n"
                "It is kept with the checkpoint of a step, and there is none now.\n"
                "Call it in the loop; if run.epoch_ends: is the end of an epoch."
            )


def _checked_step(value: Any) -> TrainStep:
    """Refuse what is given to ``track`` without a name and is no train step."""
    if isinstance(value, TrainStep):
        return value
    kind = type(value).__name__
    name = "model" if isinstance(value, nn.Module) else kind.lower()
    why = "A run saves what it tracks under names."
    cure = f"Give it a name: run.track({name}=...)."
    if isinstance(value, Trainer):
        why = "A trainer has its own loop, and a run is one of its callbacks there."
        cure = "Write trainer.fit(..., callbacks=[run]), without run.batches()."
    raise ConfigError(
        f"track() is given a {kind} without a name.\n{why}\n"
        f"{cure} Only what make_train_step() gave needs none."
    )


def as_row(values: Mapping[str, Any]) -> dict[str, Any]:
    """Give the values with a number in place of each tensor or array of one value."""
    row = dict(values)
    for name, value in values.items():
        if hasattr(value, "item") and math.prod(value.shape) == 1:
            row[name] = value.item()
    return row


def check_mode(mode: str) -> None:
    """Refuse a mode that is neither ``"min"`` nor ``"max"``."""
    if mode not in ("min", "max"):
        raise ConfigError(f"mode must be 'min' or 'max', got {mode!r}.")
