"""Notes what happens in any loop of PyTorch, from hooks that change nothing."""

from gradatim.watching.clock import Clock
from gradatim.watching.forwards import Forwards
from gradatim.watching.loops import Loops
from gradatim.watching.losses import Losses
from gradatim.watching.orders import Orders
from gradatim.watching.replay import Replays
from gradatim.watching.seen import Seen
from gradatim.watching.states import States
from gradatim.watching.tensor_calls import TensorCalls
from gradatim.watching.updates import Updates

__all__ = ["Recorder"]


class Recorder:
    """Fills a :class:`Seen`; what calls its parts is in ``patches``."""

    def __init__(self) -> None:
        self.seen = Seen()
        self.clock = Clock(self.seen)
        self.states = States(self.clock)
        replays = Replays(self.clock)
        self.updates = Updates(self.clock, replays)
        self.loops = Loops(self.clock, self.updates)
        self.forwards = Forwards(self.clock, self.loops, replays)
        self.calls = TensorCalls(self.clock, self.forwards)
        self.orders = Orders(self.clock)
        self.losses = Losses(
            self.clock, self.forwards, self.updates, replays, self.orders
        )

    def skip(self, num_steps: int) -> None:
        """Count updates that were made while nobody watched."""
        if num_steps > 0:
            self.seen.steps.count += num_steps
            self.seen.backwards.count += num_steps
            for optimizer in self.seen.optimizers[:1]:
                optimizer.num_steps += num_steps
