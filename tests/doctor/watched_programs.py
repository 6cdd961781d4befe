"""A program run under watch, or alone, and what came of it."""

import contextlib
import io
import random
import sys
import warnings
from dataclasses import dataclass, field

import numpy as np
import torch

from gradatim.doctor import Finding, run_script

DETACH, CLONE = torch.Tensor.detach, torch.Tensor.clone


@dataclass
class Ended:
    """What a program ended with."""

    findings: list[Finding] = field(default_factory=list)
    error: str | None = None
    losses: list[torch.Tensor] = field(default_factory=list)
    """Each loss that went backward."""
    generator: list[int] = field(default_factory=list)
    """The state of PyTorch's global random generator."""

    @property
    def bits(self):
        """The losses and the state of the generator, to compare."""
        numbers = [loss.reshape(-1).tolist() for loss in self.losses]
        return str(numbers), self.generator


def run_watched(path):
    """Run a program under watch."""
    with _as_first(path) as ended:
        diagnosis = run_script(path)
        ended.findings = diagnosis.findings
        error = diagnosis.seen.error
        ended.error = None if error is None else repr(error)
    return ended


def run_alone(path):
    """Run a program as Python does."""
    with _as_first(path) as ended:
        exec(
            compile(path.read_text(), str(path), "exec"),
            {"__name__": "__main__", "__file__": str(path)},
        )
    return ended


@contextlib.contextmanager
def _as_first(path):
    """Begin as in a new process, and note what a program ends with.

    Some programs change what holds for their whole process: it is put back.
    """
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    before = torch.get_default_dtype(), torch.is_grad_enabled()
    original, argv = torch.Tensor.backward, sys.argv
    ended = Ended()

    def backward(self, *args, **kwargs):
        # The watch must not see these calls as the program's own.
        ended.losses.append(CLONE(DETACH(self)))
        return original(self, *args, **kwargs)

    torch.Tensor.backward, sys.argv = backward, [str(path)]
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as a user has it: they end no program
            yield ended
    finally:
        torch.Tensor.backward, sys.argv = original, argv
        torch.set_default_dtype(before[0])
        torch.set_grad_enabled(before[1])
    ended.generator = torch.get_rng_state().tolist()
