"""Notes what happens in any loop of PyTorch, from hooks that change nothing."""

from gradatim.watching.forwards import Forwards
from gradatim.watching.loops import Loops
from gradatim.watching.losses import Losses
from gradatim.watching.position import Position
from gradatim.watching.replay import Replays
from gradatim.watching.row_orders import RowOrders
from gradatim.watching.state_dicts import StateDicts
from gradatim.watching.tensor_calls import TensorCalls
from gradatim.watching.training_seen import TrainingSeen
from gradatim.watching.updates import Updates

__all__ = ["Watcher"]


class Watcher:
    """Fills a :class:`TrainingSeen`; what calls its parts is in ``patches``."""

    def __init__(self) -> None:
        self.seen = TrainingSeen()
        self.position = Position(self.seen)
        self.states = StateDicts(self.position)
        replays = Replays(self.position)
        self.updates = Updates(self.position, replays)
        self.loops = Loops(self.position, self.updates)
        self.forwards = Forwards(self.position, self.loops, replays)
        self.calls = TensorCalls(self.position, self.forwards)
        self.orders = RowOrders(self.position)
        self.losses = Losses(
            self.position, self.forwards, self.updates, replays, self.orders
        )

    def skip(self, num_steps: int) -> None:
        """Count updates that were made while nobody watched."""
        if num_steps > 0:
            self.seen.steps.count += num_steps
            self.seen.backwards.count += num_steps
            for optimizer in self.seen.optimizers[:1]:
                optimizer.num_steps += num_steps
