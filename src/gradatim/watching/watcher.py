"""Puts the observers of one watch together, and their records.

The doctor reads :class:`TrainingSeen` and nothing else. All of it is bounded: what
happens at every step is kept for the first and the last steps, and as a thinned series.
"""

from dataclasses import dataclass, field

from gradatim.watching.first_and_last import FirstAndLast
from gradatim.watching.forwards import Forwards
from gradatim.watching.loaders import Loaders, LoaderSeen
from gradatim.watching.loss_values import LossValues
from gradatim.watching.losses import BackwardSeen, LossCall, Losses
from gradatim.watching.model_call import ForwardSeen
from gradatim.watching.models import Models, ModelSeen, parameter_names
from gradatim.watching.modes import Modes, ModesSeen
from gradatim.watching.position import Position
from gradatim.watching.replay import KeptReplay, Replays
from gradatim.watching.row_orders import RowOrders, RowOrdersSeen
from gradatim.watching.schedulers import Schedulers, SchedulerSeen
from gradatim.watching.seeds import Seeds, SeedsSeen
from gradatim.watching.source_lines import SourceLine
from gradatim.watching.state_dicts import StateDicts, StateUse
from gradatim.watching.tensor_calls import TensorCalls, TensorCallsSeen
from gradatim.watching.updates import OptimizerSeen, StepSeen, Updates

__all__ = ["TrainingSeen", "Watcher"]


@dataclass
class TrainingSeen:
    """Everything that was seen of a training: its objects, and its events in order."""

    models: list[ModelSeen] = field(default_factory=list)
    """The modules that no other module called."""
    optimizers: list[OptimizerSeen] = field(default_factory=list)
    schedulers: list[SchedulerSeen] = field(default_factory=list)
    loaders: list[LoaderSeen] = field(default_factory=list)
    forwards: FirstAndLast[ForwardSeen] = field(default_factory=FirstAndLast)
    losses: FirstAndLast[LossCall] = field(default_factory=FirstAndLast)
    backwards: FirstAndLast[BackwardSeen] = field(default_factory=FirstAndLast)
    steps: FirstAndLast[StepSeen] = field(default_factory=FirstAndLast)
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


class Watcher:
    """The observers of one watch; the functions in ``patches`` call them."""

    def __init__(self) -> None:
        self.position = position = Position()
        self.seeds = Seeds(position)
        self.state_dicts = StateDicts(position)
        self.loaders = Loaders(position)
        self.models = Models(position, self.loaders)
        self.replays = replays = Replays(position)
        self.updates = Updates(position, self.models, replays)
        self.schedulers = Schedulers(position, self.updates)
        self.forwards = Forwards(position, self.models, replays)
        self.modes = Modes(position, self.models, self.forwards)
        self.tensor_calls = TensorCalls(position, self.forwards)
        self.row_orders = RowOrders(position, self.updates, self.seeds)
        self.losses = Losses(
            position, self.models, self.forwards, self.updates, replays, self.row_orders
        )
        self.seen = TrainingSeen(
            models=self.models.records,
            optimizers=self.updates.records,
            schedulers=self.schedulers.records,
            loaders=self.loaders.records,
            forwards=self.forwards.records,
            losses=self.losses.calls,
            backwards=self.losses.backwards,
            steps=self.updates.steps,
            zeroings=self.updates.zeroings,
            graphs_kept=self.updates.graphs.record,
            loss_values=self.losses.values.record,
            modes=self.modes.record,
            seeds=self.seeds.record,
            row_orders=self.row_orders.record,
            tensor_calls=self.tensor_calls.record,
            state_uses=self.state_dicts.records,
            kept=replays.record,
        )

    def skip(self, num_steps: int) -> None:
        """Count updates that were made while nobody watched."""
        if num_steps > 0:
            self.seen.steps.count += num_steps
            self.seen.backwards.count += num_steps
            self.position.num_updates += num_steps
            self.position.num_backwards += num_steps
            for optimizer in self.seen.optimizers[:1]:
                optimizer.num_steps += num_steps
