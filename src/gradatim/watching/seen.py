"""What was seen of a training: the objects in it, and what happened, in order.

The doctor reads this and nothing else. All of it is bounded: of what happens at every
step the first and the last are kept, and a thinned series of numbers.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from weakref import ReferenceType

from torch import nn

from gradatim.watching.lines import Line

__all__ = [
    "BackwardSeen",
    "Broadcast",
    "ForwardSeen",
    "LoaderSeen",
    "LossCall",
    "ModelSeen",
    "ModuleProbe",
    "OptimizerSeen",
    "Record",
    "SchedulerSeen",
    "Seen",
    "StepSeen",
    "TensorInfo",
]

FIRST, LAST = 400, 400
Broadcast = tuple[str, tuple[int, ...], tuple[tuple[int, ...], ...]]
"""An operation, the shape of its output, and those of its inputs."""
T = TypeVar("T")


class Record(Generic[T]):
    """The first and the last of many, and how many there were."""

    def __init__(self, first: int = FIRST, last: int = LAST) -> None:
        self.most_first = first
        self.first: list[T] = []
        self.last: deque[T] = deque(maxlen=last)
        self.count = 0

    def add(self, each: T) -> None:
        """Note one more."""
        self.count += 1
        if len(self.first) < self.most_first:
            self.first.append(each)
        else:
            self.last.append(each)

    def __iter__(self) -> Iterator[T]:
        yield from self.first
        yield from self.last

    def __len__(self) -> int:
        return len(self.first) + len(self.last)

    def __bool__(self) -> bool:
        return self.count > 0


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """What a tensor is, without its numbers."""

    shape: tuple[int, ...]
    dtype: str
    device: str
    requires_grad: bool = False


@dataclass(slots=True)
class ModuleProbe:
    """What one call of a module gave, looked at closely."""

    step: int
    name: str
    kind: str
    training: bool
    shape: tuple[int, ...]
    mean: float
    std: float
    largest: float
    zeros: float
    """Share of zeros."""
    dead: float
    """Share of units (the last dimension, or channels) that are zero for every row."""
    saturated: float
    """Share within 0.01 of a bound, of what has one: sigmoid, tanh, softmax."""
    num_bad: int
    """NaN and infinity."""


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
    line: Line | None
    inference: bool = False
    used: bool = False
    """Whether a backward went through it."""
    modes: tuple[str, ...] = ()
    """Of a model whose parts differ: names of those in the other mode."""
    moved: tuple[str, ...] = ()
    """Buffers that it changed."""


@dataclass(slots=True)
class LossCall:
    """A call of one of ``torch.nn.functional``'s losses."""

    order: int
    step: int
    name: str
    input: TensorInfo
    target: TensorInfo
    reduction: str
    line: Line | None
    facts: dict[str, float] = field(default_factory=dict)
    """About the numbers: ``input_min``, ``input_row_sum_error``, ``target_max``..."""
    before: tuple[str, ...] = ()
    """The operations that made the input, the last one first."""
    grad: bool = True


@dataclass(slots=True)
class BackwardSeen:
    """A call of ``backward``."""

    order: int
    step: int
    value: float | None
    shape: tuple[int, ...]
    line: Line | None
    retain_graph: bool = False
    num_nodes: int | None = None
    """Of its graph, where that was counted."""
    broadcasts: tuple[Broadcast, ...] = ()
    """Operations near the loss whose output has more numbers than any input."""
    old_gradients: float | None = None
    """Norm of gradients that an update has used before and that are still there."""


@dataclass(slots=True)
class StepSeen:
    """An update of an optimizer."""

    order: int
    step: int
    optimizer: int
    line: Line | None
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
    zeroed_after_backward: bool = False
    """Whether gradients were cleared between the last backward and this."""


@dataclass
class ModelSeen:
    """A module that was called by none other."""

    ref: "ReferenceType[nn.Module]"
    kind: str
    line: Line | None
    names: dict[int, str]
    """Of parameters, by identity."""
    num_parameters: int
    modules: dict[int, str]
    num_calls: int = 0
    probes: Record[ModuleProbe] = field(default_factory=lambda: Record(2000, 500))
    uncalled: set[str] = field(default_factory=set)
    """Submodules with parameters of their own that no forward has called yet."""
    strangers: dict[str, Line | None] = field(default_factory=dict)
    """Modules with parameters called inside it that are not among its modules."""
    shared: dict[str, int] = field(default_factory=dict)
    """Modules that one forward calls several times, and how often."""
    direct: Line | None = None
    """Where ``forward`` was called instead of the module."""


@dataclass
class OptimizerSeen:
    """An optimizer that was made, or that made an update."""

    ref: "ReferenceType[Any]"
    kind: str
    line: Line | None
    order: int
    options: list[dict[str, Any]]
    parameters: list[int]
    """Identities."""
    num_steps: int = 0


@dataclass
class SchedulerSeen:
    """A learning-rate schedule."""

    ref: "ReferenceType[Any]"
    kind: str
    line: Line | None
    optimizer: int | None
    order: int
    steps: Record[tuple[int, int]] = field(default_factory=Record)
    """Order and number of updates at each of its steps."""
    options: dict[str, Any] = field(default_factory=dict)
    step_line: Line | None = None


@dataclass
class LoaderSeen:
    """A ``DataLoader``."""

    ref: "ReferenceType[Any]"
    line: Line | None
    length: int | None
    batch_size: int | None
    shuffles: bool
    sampler: str
    num_workers: int
    drop_last: bool
    starts: Record[tuple[int, int]] = field(default_factory=Record)
    """Order and number of updates at each start of an iteration."""
    first_batches: list[str] = field(default_factory=list)
    """Digests of the first batch of each iteration."""
    iter_line: Line | None = None
    dataset: int = 0
    """Identity of its data set."""


@dataclass
class Seen:
    """Everything that was seen."""

    models: list[ModelSeen] = field(default_factory=list)
    optimizers: list[OptimizerSeen] = field(default_factory=list)
    schedulers: list[SchedulerSeen] = field(default_factory=list)
    loaders: list[LoaderSeen] = field(default_factory=list)
    forwards: Record[ForwardSeen] = field(default_factory=Record)
    losses: Record[LossCall] = field(default_factory=Record)
    backwards: Record[BackwardSeen] = field(default_factory=Record)
    steps: Record[StepSeen] = field(default_factory=Record)
    modes: Record[tuple[int, int, bool, Line | None]] = field(default_factory=Record)
    """Order, identity, whether to train, line; of calls of ``train`` and ``eval``."""
    zeroings: Record[tuple[int, Line | None]] = field(default_factory=Record)
    seeds: Record[tuple[int, int, Line | None]] = field(default_factory=Record)
    """Order, updates so far, line."""
    loss_series: list[tuple[int, float]] = field(default_factory=list)
    """Step and loss, thinned as it grows."""
    dropouts: Record[tuple[int, Line | None]] = field(default_factory=Record)
    """Order and line of ``F.dropout`` at work in a model in eval mode."""
    graphs_kept: list[tuple[int, int]] = field(default_factory=list)
    """Updates done, and graphs of earlier steps that were still alive then."""
    error: BaseException | None = None
    """What ended the program."""

    @property
    def num_steps(self) -> int:
        """Updates of all optimizers."""
        return self.steps.count
