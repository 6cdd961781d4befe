"""Puts the observers of one watch together, and their records."""

from gradatim.watching.forwards import Forwards
from gradatim.watching.loaders import Loaders
from gradatim.watching.losses import Losses
from gradatim.watching.models import Models
from gradatim.watching.modes import Modes
from gradatim.watching.position import Position
from gradatim.watching.replay import Replays
from gradatim.watching.row_orders import RowOrders
from gradatim.watching.schedulers import Schedulers
from gradatim.watching.seeds import Seeds
from gradatim.watching.state_dicts import StateDicts
from gradatim.watching.tensor_calls import TensorCalls
from gradatim.watching.training_seen import TrainingSeen
from gradatim.watching.updates import Updates

__all__ = ["Watcher"]


class Watcher:
    """The observers of one watch; the functions in ``patches`` call them."""

    def __init__(self) -> None:
        self.position = position = Position()
        self.seeds = Seeds(position)
        self.state_dicts = StateDicts(position)
        self.loaders = Loaders(position)
        self.models = Models(position, self.loaders)
        replays = Replays(position)
        self.updates = Updates(position, self.models, replays)
        self.schedulers = Schedulers(position, self.updates)
        self.forwards = Forwards(position, self.models, replays)
        self.modes = Modes(position, self.models, self.forwards)
        self.tensor_calls = TensorCalls(position, self.forwards)
        self.row_orders = RowOrders(position, self.updates, self.seeds)
        self.losses = Losses(
            position,
            self.models,
            self.forwards,
            self.updates,
            replays,
            self.row_orders,
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
