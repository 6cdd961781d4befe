"""What was seen of a training: the objects in it, and what happened, in order.

The doctor reads this and nothing else. All of it is bounded: of what happens at every
step the first and the last are kept, and a thinned series of numbers.
"""

import heapq
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from weakref import ReferenceType

from torch import Tensor, nn

from gradatim.watching.graph_leaves import LeafSeen
from gradatim.watching.source_lines import SourceLine

__all__ = [
    "ActivationOutput",
    "BackwardSeen",
    "BatchLayout",
    "Broadcast",
    "ConstantMatrix",
    "DrawnOrder",
    "Extent",
    "FirstAndLast",
    "ForwardSeen",
    "InputNumbers",
    "LabelsApart",
    "LoaderSeen",
    "LossCall",
    "MetricComparison",
    "ModelSeen",
    "NonFiniteStart",
    "NormDrift",
    "OptimizerSeen",
    "OutputNumbers",
    "Replay",
    "ReplayBatch",
    "SchedulerSeen",
    "SeedCall",
    "SortedBatches",
    "StateUse",
    "StepSeen",
    "TensorInfo",
    "TrainingSeen",
    "ViewCall",
    "ViewPlace",
]

FIRST, LAST, LOOKED_AT = 400, 400, 400
Broadcast = tuple[str, tuple[int, ...], tuple[tuple[int, ...], ...]]
"""An operation, the shape of its output, and those of its inputs."""
Extent = tuple[int | None, int | None, int | None, int | None]
"""Of an expression in its file: first and last line, first and last column."""
T = TypeVar("T")


class FirstAndLast(Generic[T]):
    """The first and the last of many, those that matter between, and how many."""

    def __init__(self, first: int = FIRST, last: int = LAST) -> None:
        self.most_first = first
        self.first: list[T] = []
        self.looked_at: list[T] = []
        self.last: deque[T] = deque(maxlen=last)
        self.count = 0

    def add(self, each: T, *, looked_at: bool = False) -> None:
        """Note one more; one that was looked at closely is kept for good."""
        self.count += 1
        if len(self.first) < self.most_first:
            self.first.append(each)
        elif looked_at and len(self.looked_at) < LOOKED_AT:
            self.looked_at.append(each)
        else:
            self.last.append(each)

    def __iter__(self) -> Iterator[T]:
        yield from self.first
        if self.looked_at:
            yield from heapq.merge(self.looked_at, self.last, key=_order)
        else:
            yield from self.last

    def __len__(self) -> int:
        return len(self.first) + len(self.looked_at) + len(self.last)

    def __bool__(self) -> bool:
        return self.count > 0


def _order(event: Any) -> int:
    return int(event.order)


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What a tensor is, without its numbers."""

    shape: tuple[int, ...]
    dtype: str
    device: str
    requires_grad: bool = False


@dataclass(slots=True)
class OutputNumbers:
    """What one call of a module gave, looked at closely."""

    step: int
    name: str
    kind: str
    std: float
    """Of its finite numbers."""


@dataclass(frozen=True, slots=True)
class InputNumbers:
    """The numbers of a model's first input, by column."""

    step: int
    training: bool
    shape: tuple[int, ...]
    num_bad: int
    """NaN and infinity."""
    min: float
    max: float
    is_whole: bool
    std_low: float
    """The smallest and the largest of a column that is not constant."""
    std_high: float
    column_high: int
    column_low: int
    mean_high: float


@dataclass(frozen=True, slots=True)
class ActivationOutput:
    """What an activation between two layers gave, found in a graph."""

    kind: str
    layer: str
    """Before it."""
    num_units: int
    dead: float = 0.0
    saturated: float = 0.0


@dataclass(frozen=True, slots=True)
class ConstantMatrix:
    """A matrix of weights that is one number throughout."""

    name: str
    shape: tuple[int, ...]
    value: float
    is_same: bool
    """Whether all rows, or all columns, of its gradient are the same."""


@dataclass(slots=True)
class NonFiniteStart:
    """Where the first NaN or infinity of a loss came from."""

    where: str
    """``input``, ``target``, ``weights``, ``operation``, or the operation's name."""
    name: str
    count: str
    ops: tuple[str, ...] = ()
    """Operations in the graph whose slope can be infinite."""
    step: int = 0
    value: float = 0.0
    line: SourceLine | None = None
    before: tuple[float, ...] = ()
    """The losses before it, the last one last."""
    grad_norm: float | None = None
    """Of the last update."""


@dataclass(slots=True)
class ForwardSeen:
    """A call of a model that no other module made."""

    order: int
    model: int
    step: int
    training: bool
    grad: bool
    """Whether gradients were on, and its output has a graph."""
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    line: SourceLine | None
    used: bool = False
    """Whether a backward went through it."""
    modes: tuple[str, ...] = ()
    """Of a model whose parts differ: names of those in the other mode."""
    moved: tuple[str, ...] = ()
    """Buffers that it changed."""
    same_input: bool = False
    """Whether it is given the tensor that it was given the last time at this line."""
    source: int | None = None
    """Order of the forward whose output it is given."""


@dataclass(slots=True)
class LossCall:
    """A call of one of ``torch.nn.functional``'s losses."""

    order: int
    step: int
    name: str
    input: TensorInfo
    target: TensorInfo
    reduction: str
    line: SourceLine | None
    facts: dict[str, float] = field(default_factory=dict)
    """About the numbers: ``input_min``, ``input_row_sum_error``, ``target_max``..."""
    before: tuple[str, ...] = ()
    """The operations that made the input, the last one first."""
    grad: bool = True
    options: dict[str, bool] = field(default_factory=dict)
    """Its other arguments that are true or false."""


@dataclass(slots=True)
class BackwardSeen:
    """A call of ``backward``."""

    order: int
    step: int
    value: float | None
    shape: tuple[int, ...]
    line: SourceLine | None
    retain_graph: bool = False
    num_nodes: int | None = None
    """Of its graph, where that was counted."""
    broadcasts: tuple[Broadcast, ...] = ()
    """Operations near the loss whose output has more numbers than any input."""
    made_by: tuple[str, ...] = ()
    """The operations that made the loss, the last one first."""
    activations: tuple[ActivationOutput, ...] = ()
    leaves: dict[int, LeafSeen] | None = None
    """What it gives a gradient, by identity, where that was looked at."""
    loose: dict[int, str] = field(default_factory=dict)
    """Parameters of no model and no optimizer, by identity: variables where it is."""
    operation: str = ""
    """What made the loss, such as ``MseLoss``; empty for a tensor without a graph."""


@dataclass(slots=True)
class StepSeen:
    """An update of an optimizer."""

    order: int
    step: int
    optimizer: int
    line: SourceLine | None
    loss: float | None
    num_backwards: int
    """Since the update of this optimizer before."""
    grad_norm: float | None
    lrs: tuple[float, ...]
    no_grad: tuple[str, ...] | None = None
    """Parameters without a gradient, where they were looked at."""
    zero_grad: tuple[str, ...] | None = None
    """Parameters whose gradient is all zeros."""
    grad_norms: dict[str, float] | None = None
    updates: dict[str, tuple[float, float]] | None = None
    """Norm of the update and of the weight, by parameter."""
    num_matrices: int | None = None
    """At an optimizer's first update: its matrices, and those that are one number."""
    constant: tuple[ConstantMatrix, ...] = ()
    zeroed_after_backward: bool = False
    """Whether gradients were cleared between the last backward and this."""
    stale: float | None = None
    """Norm of gradients that its last update used, and that this one uses again."""
    backward_line: SourceLine | None = None
    closure: bool = False
    """Whether it calls a function that computes the loss, as LBFGS does."""


@dataclass
class ModelSeen:
    """A module that was called by none other."""

    ref: "ReferenceType[nn.Module]"
    kind: str
    line: SourceLine | None
    names: dict[int, str]
    """Of parameters, by identity."""
    num_parameters: int
    modules: dict[int, str]
    num_calls: int = 0
    inputs: FirstAndLast[InputNumbers] = field(
        default_factory=lambda: FirstAndLast(50, 50)
    )
    trained: set[int] = field(default_factory=set)
    """Digests of rows that it was trained on, and of those that were held out."""
    held: set[int] = field(default_factory=set)
    held_line: SourceLine | None = None
    probes: FirstAndLast[OutputNumbers] = field(
        default_factory=lambda: FirstAndLast(2000, 500)
    )
    uncalled: set[str] = field(default_factory=set)
    """Submodules with parameters of their own that no forward has called yet."""
    direct: SourceLine | None = None
    """Where ``forward`` was called instead of the module."""
    has_hooks: bool = False
    """Whether the module called so has hooks, which such a call leaves out."""
    with_mode: dict[str, str] = field(default_factory=dict)
    """Kinds of the parts that do something else in eval mode, by name."""
    places: dict[str, SourceLine] = field(default_factory=dict)
    """Where the ``__init__`` of a user's own module begins, by the module's name."""
    made: dict[str, SourceLine] = field(default_factory=dict)
    """Where the parts were made, by name."""
    hidden: dict[str, SourceLine | None] = field(default_factory=dict)
    """Modules called in it that a plain list or dict of it holds, by their place."""
    hidden_parameters: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Identities of those modules' parameters that ask for a gradient."""
    numels: dict[str, int] = field(default_factory=dict)
    """Numbers in each parameter, by name."""
    trainable: set[str] = field(default_factory=set)
    """Parameters that asked for a gradient in some forward in train mode."""
    asking: set[int] = field(default_factory=set)
    """Their identities: a layer may be another one later."""
    owners: dict[str, str] = field(default_factory=dict)
    """Kinds of the modules that have parameters of their own, by name."""
    called: list[str] = field(default_factory=list)
    """Modules with parameters of their own, in the order of their first calls."""
    fresh: dict[str, tuple[int, SourceLine | None]] = field(default_factory=dict)
    """Modules with parameters made anew by each forward: how often, and where."""
    loose: dict[str, int] = field(default_factory=dict)
    """Leaves that ask for a gradient and are not registered: their identities."""
    repeated: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """Containers with one module at several places: kind, places, of how many."""
    chains: dict[tuple[str, str], tuple[int, int, int, bool]] = field(
        default_factory=dict
    )
    """Linear layers that meet with nothing between: in, middle, out, neighbours."""
    layouts: FirstAndLast["BatchLayout"] = field(
        default_factory=lambda: FirstAndLast(50, 0)
    )
    drift: "NormDrift | None" = None
    as_made: set[str] | None = None
    """Layers with the random weights that PyTorch gave them, at the first training."""
    mistyped: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By module: an attribute taken for ``requires_grad``, and parameters in vain."""
    of_library: set[str] = field(default_factory=set)
    """Modules whose class is neither the user's nor PyTorch's."""
    replaced: set[int] = field(default_factory=set)
    """Parameters of before that are none any more."""
    variable: str = ""
    """What it is called where it is called first."""

    @property
    def title(self) -> str:
        """What the user calls it: its class, or a variable if that is PyTorch's."""
        return self.variable if self.kind in vars(nn) and self.variable else self.kind


@dataclass(frozen=True, slots=True)
class BatchLayout:
    """What a layer that takes the batch along dim 1 was given."""

    order: int
    name: str
    kind: str
    shape: tuple[int, ...]
    root_shape: tuple[int, ...]
    line: SourceLine | None


@dataclass(slots=True)
class NormDrift:
    """Batch norm whose statistics move though its body is frozen."""

    names: tuple[str, ...]
    num_frozen: int
    """Tensors of parameters that ask for no gradient."""
    num_parameters: int
    start: list[float]
    """Running means of the first of them, when first looked at."""
    version: int = 0
    """Of the frozen parameters, all together: a teacher's are changed by hand."""
    shift: float = 0.0
    """The largest move since then, in standard deviations."""
    line: SourceLine | None = None


@dataclass(frozen=True, slots=True)
class StateUse:
    """A ``state_dict`` used after the weights in it have moved on."""

    taken: SourceLine | None
    used: SourceLine | None
    how: str
    """``load_state_dict`` of the same module, of another one, or ``torch.save``."""
    updates: int
    """Between the two."""


@dataclass(slots=True)
class ViewCall:
    """A ``view`` or ``reshape``, by its shapes."""

    before: tuple[int, ...]
    after: tuple[int, ...]
    given: tuple[int, ...]
    """The sizes as they were given; empty where they were not plain."""
    moved: tuple[int, ...]
    """Sizes that are in both, but not in the same place."""
    root: tuple[int, ...] | None
    """Shape of what the model that calls it was given; None outside of a model."""
    batch: int | None
    """Rows of the batch that a loader gave last."""
    grad: bool
    target: tuple[int, ...] | None = None
    """Shape of the target of the next loss."""
    is_mixed: bool = False
    """Whether a layer that mixes, such as an LSTM, was given its result."""
    is_undone: bool = False
    """Whether another one in the same forward takes it back."""
    is_of_split: bool = False
    """Whether it is in the order heads, times of what was split into times, heads."""
    most_at_once: int = 0
    """How often it comes in one forward."""


@dataclass
class ViewPlace:
    """A place in the user's code where a view moved a size."""

    line: SourceLine
    place: Extent
    calls: list[ViewCall] = field(default_factory=list)
    """With different shapes, also those that move nothing."""


@dataclass
class MetricComparison:
    """A model's output compared with targets so that each row meets every other."""

    step: int
    operation: str
    rows: int
    column_is_output: bool
    of_pairs: float
    """Mean over all pairs, and over the rows alone."""
    of_rows: float
    line: SourceLine | None = None
    place: Extent = (None, None, None, None)
    left: tuple[int, ...] = ()
    right: tuple[int, ...] = ()
    is_on_purpose: bool = False
    """Whether the same place compares two different numbers of rows, too."""


@dataclass
class OptimizerSeen:
    """An optimizer that was made, or that made an update."""

    ref: "ReferenceType[Any]"
    kind: str
    line: SourceLine | None
    order: int
    options: list[dict[str, Any]]
    parameters: list[int]
    """Identities."""
    num_steps: int = 0
    never: set[int] = field(default_factory=set)
    """Those that asked for a gradient, had none at any update, and did not move."""


@dataclass
class SchedulerSeen:
    """A learning-rate schedule."""

    ref: "ReferenceType[Any]"
    kind: str
    line: SourceLine | None
    optimizer: int | None
    order: int
    steps: FirstAndLast[tuple[int, int]] = field(default_factory=FirstAndLast)
    """Order and number of updates at each of its steps."""
    options: dict[str, Any] = field(default_factory=dict)
    step_line: SourceLine | None = None
    is_inner: bool = False
    """Whether another schedule steps it."""


@dataclass(slots=True)
class SeedCall:
    """A call of ``torch.manual_seed``, or of what seeds another generator."""

    order: int
    step: int
    line: SourceLine | None
    name: str
    seed: int | None
    drawn: bool
    """Whether numbers were drawn since the seed before."""
    undone: bool = False
    """Whether the state of before was put back afterwards."""


@dataclass(slots=True)
class LabelsApart:
    """Features and labels that were put into two orders, by the rows trained on."""

    features: str
    labels: str
    """The variables; empty where none is known."""
    num_rows: int
    features_line: SourceLine | None
    labels_line: SourceLine | None
    """Where the order was drawn; None where the labels stayed as they were."""
    num_looked_at: int = 0
    num_apart: int = 0
    """Of those: whose label is not the one that they had."""


@dataclass(frozen=True, slots=True)
class DrawnOrder:
    """An order of rows that was drawn at random."""

    order: int
    generator: str
    """``torch``, ``numpy`` or ``random``; ``own`` if it is none of the global ones."""
    num_rows: int
    line: SourceLine | None


@dataclass(slots=True)
class SortedBatches:
    """Batches whose targets go up, or down, from each to the next."""

    num_batches: int = 0
    """Of the first pass."""
    num_passes: int = 0
    """Times that the first batch came again, with all in the same order."""
    low: float = 0.0
    high: float = 0.0
    """Of all targets."""
    width: float = 0.0
    """Of the batch with the widest range of targets."""
    has_column: bool = False
    """Whether a column of the input goes so, too, as time does."""
    line: SourceLine | None = None


@dataclass
class LoaderSeen:
    """A ``DataLoader``."""

    ref: "ReferenceType[Any]"
    line: SourceLine | None
    length: int | None
    batch_size: int | None
    shuffles: bool
    num_workers: int
    starts: FirstAndLast[tuple[int, int]] = field(default_factory=FirstAndLast)
    """Order and number of updates at each start of an iteration."""
    iter_line: SourceLine | None = None
    fetched: int = 0
    """Batches taken from it."""
    generators: tuple[str, ...] = ()
    """Generators of random numbers that its data set holds; with workers."""
    has_worker_init: bool = False
    num_bytes_away: int = 0
    """Of tensors that its data set holds on another device than the CPU."""
    device: str = ""
    """That device."""


@dataclass
class ReplayBatch:
    """What a model and its loss were given in one step, as copies."""

    args: tuple[Any, ...]
    target: Tensor
    shape: tuple[int, ...]
    """Of what the loss was given first."""


@dataclass
class Replay:
    """A copy of model and optimizer before the first update, and the first batches."""

    ref: "ReferenceType[nn.Module]"
    optimizer_ref: "ReferenceType[Any]"
    model: nn.Module
    optimizer: Any
    loss: str
    """Its name in ``torch.nn.functional``."""
    options: dict[str, Any]
    """Its other arguments."""
    between: str
    """From output to loss: ``same``, ``reshape``, ``softmax``, ``sigmoid``..."""
    is_swapped: bool
    """Whether the output was the loss's second argument."""
    first_loss: float
    batches: list[ReplayBatch] = field(default_factory=list)
    num_updates: int = 0
    last_given: tuple["ReferenceType[Tensor]", ...] = ()
    """The tensors of the last batch, as the program has them."""


@dataclass
class TrainingSeen:
    """Everything that was seen."""

    models: list[ModelSeen] = field(default_factory=list)
    optimizers: list[OptimizerSeen] = field(default_factory=list)
    schedulers: list[SchedulerSeen] = field(default_factory=list)
    loaders: list[LoaderSeen] = field(default_factory=list)
    forwards: FirstAndLast[ForwardSeen] = field(default_factory=FirstAndLast)
    losses: FirstAndLast[LossCall] = field(default_factory=FirstAndLast)
    backwards: FirstAndLast[BackwardSeen] = field(default_factory=FirstAndLast)
    steps: FirstAndLast[StepSeen] = field(default_factory=FirstAndLast)
    modes: FirstAndLast[tuple[int, int, bool, SourceLine | None]] = field(
        default_factory=FirstAndLast
    )
    """Order, identity, whether to train, line; of calls of ``train`` and ``eval``."""
    zeroings: FirstAndLast[tuple[int, SourceLine | None]] = field(
        default_factory=FirstAndLast
    )
    seeds: FirstAndLast["SeedCall"] = field(default_factory=FirstAndLast)
    row_seeds: dict[tuple[SourceLine, int], int] = field(default_factory=dict)
    """Generators made in ``__getitem__``, by line and seed: how often."""
    loss_series: list[tuple[int, float]] = field(default_factory=list)
    """Step and loss, thinned as it grows."""
    bad: NonFiniteStart | None = None
    """Where the first NaN of a loss came from."""
    dropouts: FirstAndLast[tuple[int, SourceLine | None]] = field(
        default_factory=FirstAndLast
    )
    """Order and line of ``F.dropout`` at work in a model in eval mode."""
    seeded: dict[str, int] = field(default_factory=dict)
    """When a global generator was seeded first, also by a library; 0 if not known."""
    orders: list["DrawnOrder"] = field(default_factory=list)
    apart: LabelsApart | None = None
    """Where labels are not with their rows."""
    sorted: SortedBatches | None = None
    """Batches in the order of their targets, pass after pass."""
    graphs_kept: list[tuple[int, int]] = field(default_factory=list)
    """Updates done, and graphs of earlier steps that were still alive then."""
    states: list[StateUse] = field(default_factory=list)
    views: list[ViewPlace] = field(default_factory=list)
    metrics: list[MetricComparison] = field(default_factory=list)
    is_open: bool = False
    """Whether the watch is still on."""
    is_whole: bool = True
    """Whether the end of training was seen."""
    is_script: bool = False
    """Whether a whole script was watched, from its first line."""
    error: BaseException | None = None
    """What ended the program."""
    replay: Replay | None = None
    """With which cures are tried, where the program's step is of the plainest kind."""

    def names(self) -> dict[int, str]:
        """Name parameters as the models that were called name them, by identity."""
        names: dict[int, str] = {}
        for model in self.models:
            for key, name in model.names.items():
                names.setdefault(key, name)
        return names

    @property
    def num_steps(self) -> int:
        """Updates of all optimizers."""
        return self.steps.count
