"""How far the training is: one line on a terminal, few lines in a log.

What takes long before and after it, such as reading a file, is told as well.
"""

import contextlib
import math
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any, TextIO

from torch import Tensor

from gradatim.history import ROW_KEYS
from gradatim.hooks import Callback, TrainerView
from gradatim.text import say

__all__ = ["Progress", "at_work"]

SOON_S = 1.0
"""What takes less time is not told."""

TOLD_OTHERWISE = set(ROW_KEYS) - {"val_loss"}
"""Keys of the history that the line has in another form, or not at all."""


class Progress(Callback):
    """Show the epoch, the losses, samples per second and the time left.

    On a terminal one line is renewed ten times a second by a thread of rich's, which
    reads what the trainer keeps anyway, so that the loop does nothing for it. Elsewhere
    a line is written every tenth of the run.

    Args:
        file: Where the lines go; standard error by default, so that standard output
            has only what the program prints.
        few_epochs: In a log, look after every update whether a tenth is done, because
            there are fewer epochs than tenths.
    """

    def __init__(self, file: TextIO | None = None, *, few_epochs: bool = False) -> None:
        self.file = file
        self._live: Any = None
        if few_epochs and not (file or sys.stderr).isatty():
            self.on_step_end = self._after_step  # type: ignore[method-assign]

    def on_fit_begin(self, trainer: Any) -> None:
        self._trainer = trainer
        self._begin = time.monotonic()
        self._first_share: float | None = None
        self._tenths_written = 0
        file = self.file or sys.stderr
        if file.isatty():
            self._live = _start_live(self.status, file)

    def on_epoch_begin(self, trainer: Any) -> None:
        if self._first_share is None:  # a run that goes on begins with a part done
            self._first_share = self._share_done()
            self._tenths_written = int(self._first_share * 10 + 1e-9)

    def on_epoch_end(self, trainer: Any) -> None:
        if self._live is None:
            self._write_if_due()

    def _after_step(self, trainer: TrainerView, loss: Tensor) -> None:
        # After the last step of an epoch its validation comes first, then the line.
        assert trainer.plan is not None
        steps_per_epoch = trainer.plan.batches_per_epoch
        if steps_per_epoch is None or trainer.so_far.num_batches < steps_per_epoch:
            self._write_if_due()

    def on_fit_end(self, trainer: Any) -> None:
        reason = trainer.history.stop_reason
        if self._live is not None:
            self._live.stop()
            self._live = None
        elif reason == "interrupted":
            self._write(self.status())
        if reason not in (None, "epochs"):
            self._write(f"stopped after epoch {trainer.epoch}: {reason}")

    def status(self) -> str:
        """Give the line.

        Another thread calls it while the loop runs, so it changes nothing.
        """
        trainer = self._trainer
        so_far, row = trainer.so_far, trainer.history.last()
        plan = trainer.plan
        last_epoch = plan.last_epoch if plan is not None else trainer.epoch
        # The epoch at hand has the number of the whole epochs done, and one more.
        within = self._live is not None or so_far.num_batches > 0
        number = trainer.epoch + within
        parts = [f"epoch {number}"]
        if last_epoch is not None:
            parts = [f"epoch {min(number, last_epoch)}/{last_epoch}"]
        if plan is not None and plan.last_step is not None:
            parts.append(f"step {trainer.num_steps:,}/{plan.last_step:,}")
        elapsed, share = time.monotonic() - self._begin, self._share_done()
        newly = share - (self._first_share or 0.0)
        if share == 1 or trainer.should_stop:
            parts.append(f"{_clock(elapsed)} in all")
        elif newly > 0:
            parts.append(f"{_clock(elapsed / newly * (1 - share))} left")
        rate = row.get("samples_per_s") or so_far.samples_per_s()
        if rate is not None:
            parts.append(f"{rate:,.0f} samples/s")
        # The metrics come last: they may be many, and a narrow terminal cuts the line.
        running = so_far.mean.so_far() if so_far.num_batches else row.get("train_loss")
        if running is not None and not math.isnan(running):
            parts.append(f"train_loss {running:.4g}")
        noted = {name: mean.so_far() for name, mean in list(so_far.means.items())}
        scores = {key: v for key, v in row.items() if key not in TOLD_OTHERWISE} | noted
        parts += [f"{k} {v:.4g}" for k, v in scores.items() if v is not None and v == v]
        return "  ".join(parts)

    def _share_done(self) -> float:
        """Tell how much of this fit is done, from 0 to 1."""
        trainer = self._trainer
        if trainer.plan is None:
            return 1.0
        num_batches = trainer.so_far.num_batches
        return trainer.plan.share_done(trainer.epoch, num_batches, trainer.num_steps)

    def _write_if_due(self) -> None:
        tenths = int(self._share_done() * 10 + 1e-9)
        if tenths > self._tenths_written:
            self._tenths_written = tenths
            self._write(self.status())

    def _write(self, line: str) -> None:
        try:
            say(line, file=self.file or sys.stderr, flush=True)
        except BrokenPipeError:  # whoever reads has had enough, as `head` does
            raise
        except OSError:  # the disk of the log is full: no reason to end a training
            pass


@contextlib.contextmanager
def at_work(
    what: str, *, shown: bool = True, file: TextIO | None = None
) -> Iterator[None]:
    """Tell what is being done, if it takes longer than a second.

    On a terminal a line counts the time until it is done, and is then removed.
    Elsewhere it is one line. A thread waits meanwhile, so that the work does nothing
    for it.

    Args:
        what: Such as ``"reading houses.csv"``.
        shown: Whether to tell it at all.
        file: Where it goes; standard error by default.
    """
    if not shown:
        yield
        return
    line = _LineOfWork(what, file or sys.stderr)
    timer = threading.Timer(SOON_S, line.begin)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        line.end()


class _LineOfWork:
    """The line of what is being done, which another thread begins."""

    def __init__(self, what: str, file: Any) -> None:
        self._what, self._file = what, file
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._has_ended = False
        self._live: Any = None

    def begin(self) -> None:
        with self._lock:
            if self._has_ended:
                return
            with contextlib.suppress(OSError, ValueError):  # the log is full, or closed
                if self._file.isatty():
                    self._live = _start_live(self.status, self._file, transient=True)
                else:
                    say(f"{self._what} ...", file=self._file, flush=True)

    def end(self) -> None:
        with self._lock:
            self._has_ended = True
            if self._live is not None:
                self._live.stop()

    def status(self) -> str:
        return f"{self._what}  {_clock(time.monotonic() - self._began)}"


def _start_live(status: Any, file: Any, *, transient: bool = False) -> Any:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    live = Live(
        console=Console(file=file),
        get_renderable=lambda: Text(status(), no_wrap=True, overflow="ellipsis"),
        refresh_per_second=10,
        # What the program prints meanwhile goes above the line, not through it. Where
        # the line goes again, standard output may be the result, on its way to a file.
        redirect_stdout=not transient or sys.stdout.isatty(),
        redirect_stderr=True,
        transient=transient,
    )
    live.start()
    return live


def _clock(seconds: float) -> str:
    """Write a duration as people read it.

    >>> _clock(75), _clock(4000), _clock(0.4)
    ('1:15', '1:06:40', '0:00')
    """
    minutes, seconds_left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{seconds_left:02}"
    return f"{minutes}:{seconds_left:02}"
