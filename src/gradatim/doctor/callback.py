"""The doctor beside a trainer, as a callback: it watches the first updates."""

import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from gradatim.doctor.diagnosis import diagnose
from gradatim.doctor.finding import Finding
from gradatim.hooks import Callback, TrainerView
from gradatim.text import say
from gradatim.watching import Watcher, installed

__all__ = ["Doctor"]

WATCHED_EPOCHS = (2, 10, 100, 1000)  # chosen by hand, not measured
"""The epochs whose first update is watched, and after which the loss is judged."""


class Doctor(Callback):
    """Watch a trainer's first updates and how the loss goes, and say what is wrong.

    The first ``num_steps`` updates of a fit are watched, and the first validation; from
    then on the first update of some epochs (2, 10, 100, 1,000) and the mean loss of
    each. In between nothing is watched, and training is as fast as without. The
    numbers that come out are the same, bit for bit.

    Args:
        num_steps: Updates that are watched at the start.
        select: Codes of pitfalls, or how they begin; all by default.
        ignore: Codes to leave out.
        tell: A function that is called with each new finding; by default it is
            written to standard error.

    Attributes:
        findings: The findings of the last fit, in the order in which they came.

    >>> import gradatim, torch
    >>> from torch import nn
    >>> model = nn.Sequential(nn.Linear(1, 3), nn.Softmax(dim=1))
    >>> trainer = gradatim.Trainer(
    ...     model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1)
    ... )
    >>> doctor = Doctor(tell=lambda finding: None)
    >>> x, y = torch.randn(64, 1), torch.randint(3, (64,))
    >>> _ = trainer.fit(
    ...     (x, y), epochs=2, batch_size=16, seed=0, callbacks=[doctor], progress=False
    ... )
    >>> [finding.code for finding in doctor.findings]
    ['GT302']
    """

    only_watches = True

    def __init__(
        self,
        *,
        num_steps: int = 20,
        select: Sequence[str] = (),
        ignore: Sequence[str] = (),
        tell: Callable[[Finding], None] | None = None,
    ) -> None:
        self.num_steps = num_steps
        self.select, self.ignore = select, ignore
        self.findings: list[Finding] = []
        self._tell = tell or _tell
        self._open = contextlib.ExitStack()
        self._watcher = Watcher()
        self._num_seen = 0
        """How many updates of the trainer the watcher knows of."""
        self._is_on = False
        self._is_first = True
        """Whether the first updates are still to come."""

    def on_fit_begin(self, trainer: Any) -> None:
        """Begin to watch."""
        self._watcher = Watcher()
        self._watcher.seen.is_whole = False
        self._watcher.models.rows.holds_out = True  # of what is not trained on
        self._watcher.position.is_lean = True
        self.findings = []
        self._num_seen = trainer.num_steps
        self._is_first = True
        self._watch(trainer)

    def on_epoch_begin(self, trainer: Any) -> None:
        """Watch the first update of some epochs."""
        if not self._is_on and trainer.epoch + 1 in WATCHED_EPOCHS:
            self._watcher.position.is_asked = True
            self._watch(trainer)

    def on_step_end(self, trainer: Any, loss: Tensor) -> None:
        """Stop watching after enough updates; watch the first validation."""
        if self._is_on:
            self._num_seen = trainer.num_steps
            if not self._is_first:
                self._stop_watching()
            elif self._watcher.seen.num_steps >= self.num_steps:
                self._is_first = False
                self._stop_watching()
                self._give_findings()
        plan = trainer.plan
        if self._is_on or plan is None or plan.val_batches is None:
            return
        is_last = trainer.so_far.num_batches == plan.batches_per_epoch
        if trainer.epoch == plan.first_epoch and is_last:
            self._watch(trainer)

    def on_epoch_end(self, trainer: Any) -> None:
        """Note the epoch's loss, and give the findings of some epochs."""
        if self._is_on:
            self._stop_watching()
        loss = trainer.history.last()["train_loss"]
        if loss is not None:
            series = self._watcher.seen.loss_values.series
            series.append((trainer.num_steps, float(loss)))
        if trainer.epoch in (1, *WATCHED_EPOCHS):
            self._give_findings(trainer)
        if self._is_first:
            self._watch(trainer)

    def on_fit_end(self, trainer: Any) -> None:
        """Give the findings that are new at the end, and let go of the copies."""
        self._stop_watching()
        self._give_findings(trainer)
        self._watcher.seen.kept.replay = None  # a model and batches: they are big

    def _watch(self, trainer: TrainerView) -> None:
        self._skip_unwatched(trainer)
        self._open.enter_context(installed(self._watcher))
        self._is_on = True

    def _stop_watching(self) -> None:
        self._is_on = self._watcher.position.is_asked = False
        self._open.close()

    def _skip_unwatched(self, trainer: TrainerView) -> None:
        self._watcher.skip(trainer.num_steps - self._num_seen)
        self._num_seen = trainer.num_steps

    def _give_findings(self, trainer: TrainerView | None = None) -> None:
        """Give the new findings to ``tell``."""
        if trainer is not None:
            self._skip_unwatched(trainer)
        # A known finding is not new, and its cure is not tried a second time.
        ignore = [*self.ignore, *(finding.code for finding in self.findings)]
        for finding in diagnose(self._watcher.seen, select=self.select, ignore=ignore):
            self.findings.append(finding)
            self._tell(finding)


def _tell(finding: Finding) -> None:
    """Write a finding to standard error."""
    say(f"doctor: {finding}", file=sys.stderr)
