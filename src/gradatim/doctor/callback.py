"""The doctor at a trainer's side: it watches the first updates."""

import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from gradatim.callbacks import Callback
from gradatim.doctor.diagnosis import Diagnosis
from gradatim.doctor.finding import Finding
from gradatim.watching import Recorder, installed

if TYPE_CHECKING:
    from torch import Tensor

    from gradatim.trainer import Trainer

__all__ = ["Doctor"]


class Doctor(Callback):
    """Watch a trainer's first updates, and say what is wrong.

    The first ``num_steps`` updates of a fit are looked at, with the validations that
    fall among them; from then on nothing is, and training is as fast as without. What
    is computed is the same, bit for bit.

    Args:
        num_steps: Updates that are watched.
        select: Codes of pitfalls, or how they begin; all by default.
        ignore: Codes to leave out.
        tell: Called with each finding; by default it is written to standard error.

    Attributes:
        findings: Of the last fit, the worst first.

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
        self._diagnosis = Diagnosis()
        self._is_on = False

    def on_fit_begin(self, trainer: "Trainer") -> None:
        """Begin to watch."""
        recorder = Recorder()
        recorder.seen.is_whole = False
        self._diagnosis = Diagnosis(recorder.seen, self.select, self.ignore)
        self.findings = []
        self._open.enter_context(installed(recorder))
        self._is_on = True

    def on_step_end(self, trainer: "Trainer", loss: "Tensor") -> None:
        """Stop watching when enough was seen."""
        if self._is_on and self._diagnosis.seen.num_steps >= self.num_steps:
            self._end()

    def on_fit_end(self, trainer: "Trainer") -> None:
        """Say what was found, if that was not done before."""
        if self._is_on:
            self._end()

    def _end(self) -> None:
        self._is_on = False
        self._open.close()
        self.findings = self._diagnosis.findings
        for finding in self.findings:
            self._tell(finding)


def _tell(finding: Finding) -> None:
    print(f"doctor: {finding}", file=sys.stderr)
