"""One process's part of a run: begun or gone on with, saved, ended."""

import contextlib
import math
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gradatim.data.batches import Batches
from gradatim.engines.eager import EagerEngine
from gradatim.epoch import Plan
from gradatim.errors import (
    ConfigError,
    DamagedError,
    DiskError,
    GradatimWarning,
    RunError,
)
from gradatim.history import History
from gradatim.interrupt import INTERRUPTED, TERMINATED
from gradatim.modules import bare, device_of
from gradatim.run.checkpoint import Checkpoint, CheckpointOptions, Checkpoints
from gradatim.run.checkpoint_header import CheckpointHeader
from gradatim.run.choices import FROZEN
from gradatim.run.config_file import LOCK, begin_config, check_ours, mend_config
from gradatim.run.fingerprint import changes, fingerprint, refuse_changes, signature
from gradatim.run.finite import check_finite
from gradatim.run.folder import HISTORY, MODEL
from gradatim.run.module_file import (
    is_saved,
    load_module_state,
    module_state,
    save_modules,
)
from gradatim.run.putting_back import putting_back
from gradatim.run.stateful import Stateful
from gradatim.run.why_inexact import batches_why_inexact, device_why_inexact
from gradatim.store.disk import disk_errors, make_folder, put_back, sweep
from gradatim.store.lines import LinesFile, read_until
from gradatim.store.lock import Lock
from gradatim.text import say

__all__ = ["BY_EPOCHS", "BY_STEPS", "Session", "leave", "tell"]

BY_EPOCHS = "epochs"
"""Why a run ended that did all its epochs."""

BY_STEPS = "max_steps"
"""Why a run ended that did all its updates."""

LATER_STATES = ("groups", "modes", "untracked")
"""States that checkpoints of earlier versions lack."""


def tell(line: str) -> None:
    """Write a line to standard error, at once, as a kill may come next."""
    say(line, file=sys.stderr, flush=True)


def leave(reason: str | None) -> None:
    """End the program as its signal would have ended it, now that all is saved."""
    if reason == TERMINATED:
        raise SystemExit(143)
    if reason == INTERRUPTED:
        raise KeyboardInterrupt


class Session:
    """What a run does for a loop of one's own and for a trainer alike.

    Attributes:
        header: Where the run stands, as the next checkpoint will say. The loop or the
            trainer's callback counts in it.
        rows: The history file.
    """

    def __init__(
        self, path: Path, options: CheckpointOptions, accept: tuple[str, ...]
    ) -> None:
        self.path = path
        self.options = options
        self.accept = accept
        self.checkpoints = Checkpoints(path, keep_last=options.keep_last)
        self.rows = LinesFile(path / HISTORY)
        self.header = CheckpointHeader()
        self._lock = Lock(path / LOCK)
        self._due_at = math.inf
        self._saved: tuple[Any, ...] | None = None
        """What the last checkpoint was of; see :meth:`_position`."""
        self._saved_best: dict[str, Any] | None = None

    # --- Begun, or gone on with ------------------------------------------------------

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Make the folder, unless it holds files of another program, and lock it."""
        with disk_errors(self.path):
            check_ours(self.path)
            make_folder(self.path)
            self._lock.acquire()
        try:
            yield
        finally:
            # A step that was broken off is not the best one.
            self.header.best = self._saved_best
            with contextlib.suppress(OSError):
                if self._lock.is_held():
                    self.rows.flush(sync=False)
            self._lock.release()

    def begin(
        self,
        modules: Mapping[str, nn.Module],
        sources: Mapping[str, Batches],
        config: dict[str, Any],
        data: dict[str, Any],
        why_not: list[str],
        engine: str = EagerEngine.name,
    ) -> Checkpoint | None:
        """Give the checkpoint to go on from, or None where the run begins.

        Args:
            modules: The modules by their names.
            sources: The batches, by ``"train"`` and ``"val"``.
            config: Every choice that must not change.
            data: Digests besides those of the batches.
            why_not: Why a resume is not exact, besides what the batches say.
            engine: The name of the engine that runs the steps.

        Raises:
            ResumeError: Something changed since the run began that was not accepted.
            RunError: There are checkpoints, and none can be read.
        """
        own = _fingerprint(modules, sources, engine)
        digests = {name: batches.digest() for name, batches in sources.items()}
        about = {"fingerprint": own, "data": digests | data, "config": config}
        with disk_errors(self.path):
            sweep(self.path)
            put_back(self.path / MODEL)
        loaded, damaged = self.checkpoints.newest(self._check_history)
        why_not = why_not + batches_why_inexact(sources)
        for batches in sources.values():
            batches.restartable = True
        if loaded is None:
            self._begin_anew(about, why_not)
            return None
        num_lost = loaded.header.history["rows"]
        if num_lost and not self.rows.path.exists():
            why_not.append(f"{HISTORY} is gone, and its {num_lost:,} rows with it")
        for line in [*damaged, *mend_config(self.path)]:
            tell(line)
        self._compare(loaded, modules, about, why_not)
        self.checkpoints.go_on_from(loaded)
        return loaded

    def _begin_anew(self, about: dict[str, Any], why_not: list[str]) -> None:
        if (self.path / MODEL).exists():
            raise RunError(
                f"{self.path} has a model, but no checkpoint to go on from.\n"
                "Training would begin anew, and replace it.\n"
                "Name another run, or remove this one."
            )
        self.header = CheckpointHeader(**about)
        self.rows = LinesFile(self.rows.path)
        self._saved = self._saved_best = None
        begin_config(self.path)
        self.tell_inexact(why_not)

    def _check_history(self, header: CheckpointHeader) -> None:
        if not self.rows.path.exists():
            return  # begin() tells of it
        try:
            read_until(self.rows.path, header.history)
        except DamagedError as error:
            what = str(error).partition("\n")[0]
            cure = "Where the file is removed, training goes on without its rows."
            raise DamagedError(f"{what} {cure}") from error

    def _compare(
        self,
        loaded: Checkpoint,
        modules: Mapping[str, nn.Module],
        about: dict[str, Any],
        why_not: list[str],
    ) -> None:
        """Refuse what changed, or note it; take over the checkpoint's header."""
        old, run = loaded.header, str(self.path)
        if modules:
            now = signature(module_state(modules))
            changed = changes(signature(loaded.model), now)
            refuse_changes("model", changed, run=run, accept=self.accept)
        accepted = []
        if "modes" not in loaded.state:  # of a version that did not look at them
            about["config"] = _without_frozen(about["config"], old.config)
        for what in ("data", "config"):
            changed = changes(getattr(old, what), about[what])
            accepted += refuse_changes(what, changed, run=run, accept=self.accept)
        accepted += changes(old.fingerprint, about["fingerprint"])
        why_not = [*(line.replace(": ", " ", 1) for line in accepted), *why_not]
        why_not += device_why_inexact(about["fingerprint"]["device"]) + old.why_not
        self.header = CheckpointHeader(**{**vars(old), **about})
        resume = {"step": old.step, "exact": not why_not, "why_not": why_not}
        self.header.resumes = [*old.resumes, resume]
        self._note_saved()

    def load(
        self,
        loaded: Checkpoint,
        modules: Mapping[str, nn.Module],
        states: Mapping[str, Stateful],
        history: History,
    ) -> None:
        """Give back to each object the state that :meth:`save` was given."""
        with putting_back(loaded.path):
            load_module_state(modules, loaded.model)
            for name, stateful in states.items():
                if name in loaded.state or name not in LATER_STATES:
                    stateful.load_state_dict(loaded.state[name])
            # Rows after the checkpoint are cut off only when all states were taken.
            history.clear()
            for row in self.rows.go_on_at(loaded.header.history):
                history.append(row)

    def add_why_not(self, reasons: list[str]) -> None:
        """Add reasons why the resume at hand is not exact, before it is told."""
        resume = self.header.resumes[-1]
        resume["why_not"] = [*resume["why_not"], *reasons]
        resume["exact"] = not resume["why_not"]

    def tell_inexact(self, reasons: list[str]) -> None:
        """Say why a resume will not be exact; nothing without a reason."""
        if reasons:
            tell(f"{self.path}: a resume will not be exact: {'; '.join(reasons)}")

    def has_ended(self, plan: Plan) -> bool:
        """Tell, and say, whether nothing is left to do of a plan."""
        header = self.header
        by_itself = header.ended not in (None, BY_EPOCHS, BY_STEPS)
        if not by_itself and not plan.is_done(header.epoch, header.step):
            header.ended = None
            self._tell_resume()
            return False
        done = f"{header.step:,} of {plan.last_step:,} steps" if plan.last_step else ""
        by_epochs = plan.last_epoch is not None and header.epoch >= plan.last_epoch
        if by_epochs or not done:
            done = f"{header.epoch} of {plan.last_epoch} epochs"
        # A signal may have come in the last epoch.
        header.ended = header.ended or (BY_EPOCHS if by_epochs else BY_STEPS)
        why = f" ({header.ended})" if by_itself else ""
        tell(f"{self.path} has ended: {done}{why}. Nothing is left to do.")
        return True

    def _tell_resume(self) -> None:
        header = self.header
        where = f"step {header.step:,} (epoch {header.epoch}, batch {header.batch})"
        exact = "resume is exact"
        if why_not := header.resumes[-1]["why_not"]:
            exact = f"resume is not exact: {'; '.join(why_not)}"
        tell(f"{self.path}: going on from {where}: {exact}")

    # --- Saved ------------------------------------------------------------------------

    def is_due(self, step: int) -> bool:
        """Tell whether after so many updates a checkpoint is to be written.

        This is called after every update, so it does little.
        """
        every = self.options.every_steps
        if every is not None and step % every == 0:
            return self._saved is None or self._saved[0] != step
        return time.monotonic() >= self._due_at

    def ends_with_checkpoint(self, epoch: int) -> bool:
        """Tell whether a checkpoint is to be written after so many epochs."""
        every = self.options.every_epochs
        return every is not None and epoch % every == 0

    def check_finite(self, trained: Mapping[str, nn.Module]) -> None:
        """Refuse weights that are NaN or infinite, before they are saved.

        Raises:
            NonFiniteLossError: A parameter that trains has such a value.
        """
        if self._saved != self._position():
            check_finite(trained, self.header.step, self.newest_line)

    def save(
        self,
        modules: Mapping[str, nn.Module],
        states: Mapping[str, Stateful],
    ) -> None:
        """Write a checkpoint, unless this very state is saved already.

        Args:
            modules: The modules, whose weights have a file of their own.
            states: All else that training moves, by the names that ``load`` is given.

        Raises:
            DiskError: The disk does not take the checkpoint.
        """
        if self._saved == self._position():
            return
        state = {name: stateful.state_dict() for name, stateful in states.items()}
        stands, needs = self.checkpoints.what_stands(), self.rows.num_waiting_bytes
        try:
            with disk_errors(self.path, why=stands):
                self._lock.check()
            with disk_errors(self.rows.path, needs=needs, why=stands):
                self.rows.flush()
            self.header.history = self.rows.position()
            self.checkpoints.save(self.header, module_state(modules), state)
        except DiskError as error:
            if self.options.on_save_error == "raise":
                raise
            self._set_due()  # the next try is as far away as ever
            self.header.best = self._saved_best  # the new best step is not on the disk
            message = f"{error}\nTraining goes on, as on_save_error is 'warn'."
            warnings.warn(message, GradatimWarning, stacklevel=2)
            return
        self._note_saved()

    def newest_line(self) -> str:
        """Say which checkpoint there is to go on from; its weights are finite."""
        with contextlib.suppress(RunError):
            if names := self.checkpoints.names():
                path = self.checkpoints.folder / names[0]
                return f"The last checkpoint with finite weights is {path}."
        return "There is no checkpoint yet."

    def _note_saved(self) -> None:
        self._saved, self._saved_best = self._position(), self.header.best
        self._set_due()

    def _set_due(self) -> None:
        every_s = self.options.every_s
        self._due_at = math.inf if every_s is None else time.monotonic() + every_s

    def _position(self) -> tuple[Any, ...]:
        """Give what differs between two checkpoints of one process."""
        header = self.header
        place = header.step, header.epoch, header.batch
        return *place, header.ended, header.best_step

    # --- The best step, and the end ---------------------------------------------------

    def note_if_best(
        self, value: float, name: str, mode: str, *, step: int, epoch: int
    ) -> bool:
        """Note a step in the header if its value is the best so far; tell whether."""
        best = self.header.best
        if best is not None and best.get("name") != name:
            raise ConfigError(
                f"best() is given {name!r}, but so far it was {best.get('name')!r}.\n"
                "Which of the two is better cannot be told.\n"
                "Give it one value alone; log() takes the others."
            )
        sign = 1 if mode == "min" else -1
        is_better = best is None or sign * value < sign * best["value"]
        if math.isnan(value) or not is_better:
            return False
        self.header.best = {"step": step, "epoch": epoch, "name": name, "value": value}
        return True

    def load_best(self, modules: Mapping[str, nn.Module]) -> dict[str, Any]:
        """Put the weights of the best step into the modules; give what was noted."""
        best = self.header.best
        if best is None and (saved := self.checkpoints.newest_header()):
            best = saved.best  # of another process
        if best is None:
            raise RunError(
                f"{self.path} has no best step.\nNo values were compared.\n"
                "Call run.best(value) in the loop, or give a trainer Run(monitor=...)."
            )
        checkpoint = self.checkpoints.read(f"step-{best['step']}")
        load_module_state(modules, checkpoint.model)
        return best

    def export(self, modules: Mapping[str, nn.Module]) -> None:
        """Write ``model/`` of a run that has ended, also where a kill came before."""
        path = self.path / MODEL
        if self.header.ended is not None and not is_saved(path, modules):
            save_modules(path, modules)


def _without_frozen(now: dict[str, Any], began: dict[str, Any]) -> dict[str, Any]:
    """Leave out which parameters are frozen where the description before lacks it."""
    kept = {}
    for name, about in now.items():
        if isinstance(about, dict) and FROZEN not in (began.get(name) or {}):
            about = {key: value for key, value in about.items() if key != FROZEN}
        if about or name in began:
            kept[name] = about
    return kept


def _fingerprint(
    modules: Mapping[str, nn.Module], sources: Mapping[str, Batches], engine: str
) -> dict[str, Any]:
    if any(bare(module) is not module for module in modules.values()):
        engine = "compiled"  # the user has compiled a module, whatever runs the step
    device = next(map(device_of, modules.values()), torch.device("cpu"))
    workers = {}
    for name, batches in sources.items():
        source = batches if batches.loader is None else batches.loader
        workers[name] = source.num_workers
    about = fingerprint(device, engine=engine, num_workers=workers.pop("train"))
    return about | {f"{name}_num_workers": count for name, count in workers.items()}
