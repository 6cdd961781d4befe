"""Everything that was seen of a training: the record of each observer, in one place.

The doctor reads this and nothing else. All of it is bounded: what happens at every step
is kept for the first and the last steps, and as a thinned series of numbers.
"""

from dataclasses import dataclass, field

from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.loaders import LoaderSeen
from gradatim.watching.loss_values import LossValues
from gradatim.watching.losses import BackwardSeen, LossCall
from gradatim.watching.model_call import ForwardSeen
from gradatim.watching.models import ModelSeen, parameter_names
from gradatim.watching.modes import ModesSeen
from gradatim.watching.replay import KeptReplay
from gradatim.watching.row_orders import RowOrdersSeen
from gradatim.watching.schedulers import SchedulerSeen
from gradatim.watching.seeds import SeedsSeen
from gradatim.watching.source_lines import SourceLine
from gradatim.watching.state_dicts import StateUse
from gradatim.watching.tensor_calls import TensorCallsSeen
from gradatim.watching.updates import OptimizerSeen, StepSeen

__all__ = ["TrainingSeen"]


@dataclass
class TrainingSeen:
    """Everything that was seen of a training: its objects, and its events in order."""

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
    """Updates done, and how many graphs of earlier updates were alive then."""
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
        return parameter_names(self.models)

    @property
    def num_steps(self) -> int:
        """How many updates all optimizers have made."""
        return self.steps.count
