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
class GradientsSeen:
    """The gradients that one update uses."""

    norm: float | None = None
    """The joint 2-norm of all of them, where it was computed."""
    missing: tuple[str, ...] | None = None
    """Names of the parameters without a gradient, where they were looked at."""
    zero: tuple[str, ...] | None = None
    """Names of the parameters whose gradient is all zeros."""
    norms: dict[str, float] | None = None
    """The 2-norm of each parameter's gradient, by the parameter's name."""
    stale: float | None = None
    """The norm of gradients that the update before used, and that this one uses
    again."""
    cleared_after_backward: bool = False
    """Whether gradients were cleared between the last backward and this update."""


@dataclass(slots=True)
class WeightsSeen:
    """The weights that one update changes."""

    updates: dict[str, tuple[float, float]] | None = None
    """The norm of the update and of the weight before it, by the parameter's name."""
    num_matrices: int | None = None
    """The number of matrices, counted at the optimizer's first update alone."""
    constant: tuple[ConstantMatrix, ...] = ()
    """The matrices that are one number throughout, at the first update alone."""


@dataclass(slots=True)
class StepSeen:
    """An update of an optimizer."""

    order: int
    """The number of this event among all events."""
    step: int
    """The number of updates that were made before this one."""
    optimizer: int
    """The number of the optimizer among all optimizers."""
    line: SourceLine | None
    """The user's line that makes the update."""
    loss: float | None
    """The value of the last loss that went backward."""
    num_backwards: int
    """The number of backwards since this optimizer's update before."""
    lrs: tuple[float, ...]
    """The learning rate of each parameter group."""
    backward_line: SourceLine | None = None
    """The user's line that called the last ``backward``."""
    closure: bool = False
    """Whether the update calls a function that computes the loss, as LBFGS does."""
    gradients: GradientsSeen = field(default_factory=GradientsSeen)
    """What the gradients were."""
    weights: WeightsSeen = field(default_factory=WeightsSeen)
    """What the weights were, and how far they moved."""


@dataclass(slots=True)
class ModelParameters:
    """The parameters of a model."""

    names: dict[int, str] = field(default_factory=dict)
    """The name of each parameter, by its identity."""
    num_tensors: int = 0
    """How many parameters the model has now."""
    numels: dict[str, int] = field(default_factory=dict)
    """How many numbers each parameter holds, by its name."""
    replaced: set[int] = field(default_factory=set)
    """The identities of parameters that the model had, and has no more."""


@dataclass(slots=True)
class ModelStructure:
    """The modules that a model is made of."""

    modules: dict[int, str] = field(default_factory=dict)
    """The name of each module, by its identity."""
    kinds: dict[str, str] = field(default_factory=dict)
    """The class of each module that has parameters of its own, by its name."""
    with_mode: dict[str, str] = field(default_factory=dict)
    """The class of each part that does something else in eval mode, by its name."""
    init_lines: dict[str, SourceLine] = field(default_factory=dict)
    """Where the ``__init__`` of each module of the user's own begins, by its name."""
    made_at: dict[str, SourceLine] = field(default_factory=dict)
    """The user's line that made each part, by its name."""
    repeated: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    """Containers that hold one module at several places: its class, the number of
    these places, and the number of all places."""
    of_library: set[str] = field(default_factory=set)
    """The names of modules whose class is neither the user's nor PyTorch's."""


@dataclass(frozen=True, slots=True)
class BatchLayout:
    """What a layer that takes the batch along dim 1 was given."""

    order: int
    """The number of the event before the call."""
    name: str
    """The name of the layer in its model."""
    kind: str
    """The class of the layer."""
    shape: tuple[int, ...]
    """The shape of the layer's input."""
    root_shape: tuple[int, ...]
    """The shape of the model's input."""
    line: SourceLine | None
    """The user's line that called the layer."""


@dataclass(slots=True)
class LayersSeen:
    """Which layers of a model are called, and how they meet."""

    called: list[str] = field(default_factory=list)
    """Modules with parameters of their own, in the order of their first calls."""
    uncalled: set[str] = field(default_factory=set)
    """Modules with parameters of their own that no forward has called yet."""
    chains: dict[tuple[str, str], tuple[int, int, int, bool]] = field(
        default_factory=dict
    )
    """Linear layers that meet with nothing between, by their two names: the sizes of
    input, middle and output, and whether the two are neighbours in a Sequential."""
    layouts: FirstAndLast[BatchLayout] = field(
        default_factory=lambda: FirstAndLast(50, 0)
    )
    """The inputs of layers that take the batch along dim 1."""


@dataclass(slots=True)
class Unregistered:
    """What a model uses and does not register, so that no optimizer gets it."""

    modules: dict[str, SourceLine | None] = field(default_factory=dict)
    """Called modules that a plain list or dict holds, by their place in it."""
    parameters: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """The identities of these modules' parameters that ask for a gradient."""
    made_anew: dict[str, tuple[int, SourceLine | None]] = field(default_factory=dict)
    """Modules with parameters that each forward makes again, by their class: how
    often, and where."""
    leaves: dict[str, int] = field(default_factory=dict)
    """The identities of leaf tensors that ask for a gradient, by their place."""


@dataclass(slots=True)
class DirectCall:
    """Whether ``forward`` of a model was called, instead of the model itself."""

    line: SourceLine | None = None
    """The user's line that called it; None where nobody did."""
    has_hooks: bool = False
    """Whether the model has hooks, which such a call leaves out."""


@dataclass(slots=True)
class RowsSeen:
    """The rows that a model was given, by digests of their bits."""

    trained: set[int] = field(default_factory=set)
    """The digests of rows that the model was trained on."""
    held_out: set[int] = field(default_factory=set)
    """The digests of rows that the model was evaluated on."""
    held_out_line: SourceLine | None = None
    """The user's line that first evaluated held-out rows."""


@dataclass(slots=True)
class InitialWeights:
    """Which layers began with the random weights that PyTorch gave them."""

    as_made: set[str] | None = None
    """The names of these layers; None before the model is trained."""


@dataclass(slots=True)
class Freezing:
    """Which parameters ask for a gradient, and which attributes freeze nothing."""

    mistyped: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By module: an attribute taken for ``requires_grad``, and how many of its
    parameters ask for a gradient all the same."""
    trainable: set[str] = field(default_factory=set)
    """The names of parameters that asked for a gradient in a forward in train mode."""
    asking: set[int] = field(default_factory=set)
    """The identities of these parameters: a name may belong to another one later."""


@dataclass(slots=True)
class NormDrift:
    """Batch norm whose statistics move though the layers around it are frozen."""

    names: tuple[str, ...] = ()
    """The names of these batch norms; none where there is no such layer."""
    num_frozen: int = 0
    """How many parameters of the model ask for no gradient."""
    num_parameters: int = 0
    """How many parameters the model has."""
    start: list[float] = field(default_factory=list)
    """The running means of the first batch norm, when it was first looked at."""
    version: int = 0
    """The versions of all frozen parameters, added: those of a teacher are changed by
    hand."""
    shift: float = 0.0
    """The largest move of a running mean since then, in standard deviations."""
    line: SourceLine | None = None
    """The user's line that called the model."""


@dataclass
class ModelSeen:
    """A module that no other module called: its call, and a record per observer."""

    ref: "ReferenceType[nn.Module]"
    """A weak reference to the module."""
    kind: str
    """The name of the module's class."""
    line: SourceLine | None
    """The user's line that called the module first."""
    variable: str = ""
    """The name of the variable that held the module at its first call."""
    num_calls: int = 0
    """How often the module was called."""
    parameters: ModelParameters = field(default_factory=ModelParameters)
    structure: ModelStructure = field(default_factory=ModelStructure)
    layers: LayersSeen = field(default_factory=LayersSeen)
    unregistered: Unregistered = field(default_factory=Unregistered)
    direct: DirectCall = field(default_factory=DirectCall)
    rows: RowsSeen = field(default_factory=RowsSeen)
    inputs: FirstAndLast[InputNumbers] = field(
        default_factory=lambda: FirstAndLast(50, 50)
    )
    outputs: FirstAndLast[OutputNumbers] = field(
        default_factory=lambda: FirstAndLast(2000, 500)
    )
    drift: NormDrift = field(default_factory=NormDrift)
    initial: InitialWeights = field(default_factory=InitialWeights)
    freezing: Freezing = field(default_factory=Freezing)

    @property
    def title(self) -> str:
        """What the user calls it: its class, or a variable if that is PyTorch's."""
        return self.variable if self.kind in vars(nn) and self.variable else self.kind


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


@dataclass(slots=True)
class ModesSeen:
    """In which mode modules are: what ``train`` and ``eval`` set."""

    changes: FirstAndLast[tuple[int, int, bool, SourceLine | None]] = field(
        default_factory=FirstAndLast
    )
    """Calls of ``train`` and ``eval``: the order, the module's ``id``, whether to
    train, and the user's line."""
    dropouts: FirstAndLast[tuple[int, SourceLine | None]] = field(
        default_factory=FirstAndLast
    )
    """Calls of ``F.dropout`` that drop in a model in eval mode: order and line."""


@dataclass(slots=True)
class SeedsSeen:
    """How the generators of random numbers were seeded."""

    calls: FirstAndLast[SeedCall] = field(default_factory=FirstAndLast)
    """The user's seeds of global generators."""
    in_rows: dict[tuple[SourceLine, int], int] = field(default_factory=dict)
    """Generators made in ``__getitem__``, by line and seed: how often."""
    first: dict[str, int] = field(default_factory=dict)
    """The order of each global generator's first seed, also by a library; 0 where
    that is not known."""


@dataclass(slots=True)
class LossValues:
    """The values of the losses that went backward."""

    series: list[tuple[int, float]] = field(default_factory=list)
    """Updates before it, and the loss; thinned as it grows."""
    non_finite: NonFiniteStart | None = None
    """Where the first NaN or infinity of a loss came from."""


@dataclass(slots=True)
class RowOrdersSeen:
    """The orders in which rows are trained on."""

    drawn: list[DrawnOrder] = field(default_factory=list)
    """The orders that were drawn at random."""
    labels_apart: LabelsApart | None = None
    """Where labels are not with their rows."""
    sorted: SortedBatches | None = None
    """Batches in the order of their targets, pass after pass."""


@dataclass(slots=True)
class TensorCallsSeen:
    """Views and comparisons in the user's code whose shapes are odd."""

    views: list[ViewPlace] = field(default_factory=list)
    """The places where a view moved a size."""
    metrics: list[MetricComparison] = field(default_factory=list)
    """Outputs that were compared with targets, each row with every other."""


@dataclass(slots=True)
class KeptReplay:
    """What is kept of the first steps, so that cures can be tried on a copy."""

    replay: Replay | None = None
    """The copy and its batches; None where the program's step is not plain."""


@dataclass
class TrainingSeen:
    """Everything that was seen of a training: its objects, its events, in order."""

    models: list[ModelSeen] = field(default_factory=list)
    """The modules that no other module called."""
    optimizers: list[OptimizerSeen] = field(default_factory=list)
    """The optimizers, in the order in which they were made."""
    schedulers: list[SchedulerSeen] = field(default_factory=list)
    """The learning-rate schedules."""
    loaders: list[LoaderSeen] = field(default_factory=list)
    """The data loaders."""
    forwards: FirstAndLast[ForwardSeen] = field(default_factory=FirstAndLast)
    """The calls of the models."""
    losses: FirstAndLast[LossCall] = field(default_factory=FirstAndLast)
    """The calls of PyTorch's losses."""
    backwards: FirstAndLast[BackwardSeen] = field(default_factory=FirstAndLast)
    """The calls of ``backward``."""
    steps: FirstAndLast[StepSeen] = field(default_factory=FirstAndLast)
    """The updates of all optimizers."""
    zeroings: FirstAndLast[tuple[int, SourceLine | None]] = field(
        default_factory=FirstAndLast
    )
    """Calls of ``zero_grad``: order and line."""
    graphs_kept: list[tuple[int, int]] = field(default_factory=list)
    """Updates done, and how many graphs of earlier steps were still alive then."""
    loss_values: LossValues = field(default_factory=LossValues)
    modes: ModesSeen = field(default_factory=ModesSeen)
    seeds: SeedsSeen = field(default_factory=SeedsSeen)
    row_orders: RowOrdersSeen = field(default_factory=RowOrdersSeen)
    tensor_calls: TensorCallsSeen = field(default_factory=TensorCallsSeen)
    state_uses: list[StateUse] = field(default_factory=list)
    """Uses of a ``state_dict`` after the weights in it have moved on."""
    kept: KeptReplay = field(default_factory=KeptReplay)
    is_open: bool = False
    """Whether the watch is still on."""
    is_whole: bool = True
    """Whether the end of training was seen."""
    is_script: bool = False
    """Whether a whole script was watched, from its first line."""
    error: BaseException | None = None
    """What ended the program."""

    def names(self) -> dict[int, str]:
        """Name parameters as the models that were called name them, by identity."""
        names: dict[int, str] = {}
        for model in self.models:
            for key, name in model.parameters.names.items():
                names.setdefault(key, name)
        return names

    @property
    def num_steps(self) -> int:
        """Updates of all optimizers."""
        return self.steps.count
