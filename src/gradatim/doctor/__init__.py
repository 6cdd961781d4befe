"""The doctor: mistakes that raise nothing, found in any training loop, with a cure.

PyTorch is silent about the worst mistakes of a training: gradients that are never
zeroed, a softmax that is taken twice, labels shuffled apart from their rows. The doctor
watches a training from outside and says what is wrong, in which line of the user's
code, which numbers show it, and what cures it.

How a finding is made from an event:

1. :mod:`gradatim.watching` patches PyTorch while a watch is on. Each event (a forward,
   a loss, a backward, an update ...) is noted in one
   :class:`~gradatim.watching.watcher.TrainingSeen`.
2. :func:`~.diagnosis.diagnose` gives that record to every pitfall. A pitfall is one
   class in one file of :mod:`.pitfalls`; it reads the record, and sometimes the source
   code at a line of it, and yields findings: verdict, evidence, cure, line.
3. A finding that only follows from another one is hidden: a :attr:`~.Pitfall.hides`
   names the codes. What the user ignores is left out.
4. Where a cure can be tried, copies of the model are trained for a few steps with it
   and without it (:mod:`.trial`), and the finding says what that changed.

Reading order: :mod:`.finding` and :mod:`.pitfall` (what a pitfall answers); one file of
:mod:`.pitfalls`, for example ``never_zeroed.py``; :mod:`.queries`, :mod:`.gradients`,
:mod:`.loss_trend`, :mod:`.learning_rates`, :mod:`.evaluations` and
:mod:`.untrained_layers` (questions to the record that several pitfalls ask);
:mod:`.source_code` (how the user's code is read); :mod:`.diagnosis` and :mod:`.trial`.
The ways in are :mod:`.watch` (a block of code, a script), :mod:`.callback` (beside a
trainer) and :mod:`.check` (before training). :mod:`.exceptions` explains an exception
of PyTorch; :mod:`.pages` writes docs/pitfalls.md from the docstrings.

What the doctor must never do:

- Change the watched program: its weights, losses and random numbers have the same bits
  with and without a watch, and afterwards every patch is gone.
- Raise a false alarm. A sound program has no error and no warning
  (``tests/doctor/programs/sound``); where a pitfall cannot be sure it stays silent.
- Run the user's code a second time; only copies are trained, and only by the doctor.
"""

from gradatim.doctor.callback import Doctor
from gradatim.doctor.check import Checkup, check
from gradatim.doctor.diagnosis import Diagnosis, diagnose
from gradatim.doctor.exceptions import explain
from gradatim.doctor.finding import Finding
from gradatim.doctor.pitfall import Pitfall, all_pitfalls
from gradatim.doctor.watch import run_script, watch

__all__ = [
    "Checkup",
    "Diagnosis",
    "Doctor",
    "Finding",
    "Pitfall",
    "all_pitfalls",
    "check",
    "diagnose",
    "explain",
    "run_script",
    "watch",
]
