"""What happens in any PyTorch loop, noted by hooks that change nothing.

A watch sees a training from outside: the user's own loop, a script, a trainer. It is
for the doctor, which reads what was seen when the training ends, or after its first
updates, and names what is wrong with it.

An event travels one way. ``patches`` wraps functions of PyTorch, NumPy and ``random``
while a watch is on (``F.mse_loss``, ``Tensor.backward``, ``Optimizer.zero_grad``, ...)
and adds hooks for modules and optimizers (``hook_tables``). Each of these calls an
observer, before or after the original, in every watch that sees it (``open_watches``).
The observer asks the ``position`` whether to look (is this one of the first updates,
another thread, inside a backward?), finds the user's line (``source_lines``), and
writes into its own record. ``watcher`` makes the observers of one watch, and puts their
records together in a ``TrainingSeen``.

The parts, in reading order:

- what all observers share: ``position``, ``source_lines``, ``identities``,
  ``tensor_info``, ``objects_seen``, and ``first_and_last``, the list with a bound;
- models: ``forwards`` sees their calls and hands each one (``model_call``) to the
  observers in ``models``: ``parameters``, ``module_structure``, ``layers``,
  ``unregistered``, ``direct_calls``, ``inputs``, ``held_out_rows``, ``outputs``,
  ``freezing``, ``initial_weights``, ``norm_drift``;
- losses: ``losses`` sees losses and backwards, with ``loss_numbers``, ``loss_graph``,
  ``activations``, ``loss_values``, ``non_finite_start``;
- updates: ``updates`` sees optimizers, with ``graphs_kept``;
  ``schedulers`` sees learning-rate schedules;
- what surrounds them: ``loaders``, ``seeds``, ``modes``, ``state_dicts``;
  ``row_orders`` with ``row_codes`` and ``sorted_batches``; ``tensor_calls``, which are
  views and comparisons in the user's code; ``replay``, a copy on which cures are tried.

An observer is a file: a record (a dataclass whose fields say what they hold), and a
class with a method for each kind of event. A pitfall that needs a new observation adds
it there, and reads it from the record. In each record, ``order`` is the number of the
event among all events, ``step`` the number of updates made before it, and ``line`` the
user's line that the event comes from.

A watch must never change a number of the program or its generators of random numbers,
keep a tensor or a graph alive, grow without bound, raise an error, or leave a hook or
a patched name behind.
"""

from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.inputs import InputNumbers
from gradatim.watching.layers import BatchLayout
from gradatim.watching.loaders import LoaderSeen
from gradatim.watching.loss_graph import LeafSeen
from gradatim.watching.losses import BackwardSeen, LossCall
from gradatim.watching.model_call import ForwardSeen
from gradatim.watching.models import ModelSeen
from gradatim.watching.non_finite_start import NonFiniteStart
from gradatim.watching.outputs import OutputNumbers
from gradatim.watching.patches import installed
from gradatim.watching.replay import Replay, ReplayBatch
from gradatim.watching.row_orders import LabelsApart
from gradatim.watching.schedulers import SchedulerSeen
from gradatim.watching.seeds import SeedCall
from gradatim.watching.source_lines import SourceLine, is_user_file
from gradatim.watching.tensor_calls import Extent, MetricComparison, ViewCall, ViewPlace
from gradatim.watching.updates import OptimizerSeen, StepSeen
from gradatim.watching.watcher import TrainingSeen, Watcher

__all__ = [
    "BackwardSeen",
    "BatchLayout",
    "Extent",
    "FirstAndLast",
    "ForwardSeen",
    "InputNumbers",
    "LabelsApart",
    "LeafSeen",
    "LoaderSeen",
    "LossCall",
    "MetricComparison",
    "ModelSeen",
    "NonFiniteStart",
    "OptimizerSeen",
    "OutputNumbers",
    "Replay",
    "ReplayBatch",
    "SchedulerSeen",
    "SeedCall",
    "SourceLine",
    "StepSeen",
    "TrainingSeen",
    "ViewCall",
    "ViewPlace",
    "Watcher",
    "installed",
    "is_user_file",
]
