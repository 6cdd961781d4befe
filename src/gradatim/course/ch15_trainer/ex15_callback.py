"""A callback of one's own."""

import contextlib
from typing import Any

import gradatim as gt
from gradatim.course.exercise import expect
from gradatim.course.training_paths import make_parts, points
from gradatim.rng import keeping_rng
from gradatim.threads import threads

TEXT = """
Write a callback `GoodEnough(value)`: right after the first epoch whose `val_loss` is
**below** `value` it ends the training with `trainer.stop("good enough")`. The last
epoch's value is `trainer.history["val_loss"][-1]`.
"""
STUB = """
import gradatim as gt

class GoodEnough(gt.Callback):
    def __init__(self, value):
        self.value = value

    ...
"""
HINT = "The hook is `on_epoch_end(self, trainer)`: by then the epoch is in the history."
SOLUTION = """
import gradatim as gt

class GoodEnough(gt.Callback):
    def __init__(self, value):
        self.value = value

    def on_epoch_end(self, trainer):
        if trainer.history["val_loss"][-1] < self.value:
            trainer.stop("good enough")
"""
PRAISE = "EarlyStopping, schedules, the doctor and runs are built from such hooks."
MUTANTS = """
the training loss: val_loss => train_loss
above: < self.value => > self.value
the first epoch's value: [-1] => [0]
at the beginning:
  on_epoch_end => on_epoch_begin
  if trainer.history => if trainer.epoch and trainer.history
a fixed value: < self.value => < 0.02
no reason: "good enough" => ""
a hook of another name: on_epoch_end => on_epoch_ends
at each update:
  on_epoch_end(self, trainer => on_step_end(self, trainer, loss
  trainer.history["val_loss"][-1] => loss
no callback:
  (gt.Callback) =>
  on_epoch_end => end_of_epoch
raises: trainer.stop("good enough") => raise StopIteration("good enough")
"""


class _Set(gt.Callback):
    """Writes the losses that the learner's callback is to see."""

    def __init__(self, losses: list[float]) -> None:
        self.losses = losses

    def on_epoch_end(self, trainer: Any) -> None:
        trainer.history["val_loss"][-1] = self.losses[trainer.epoch - 1]
        trainer.history["train_loss"][-1] = 1.0 - self.losses[trainer.epoch - 1]


@threads(1)
def check(make: Any) -> None:
    """Train the line; the history has losses that were chosen beforehand."""
    losses = [0.9, 0.5, 0.3, 0.2, 0.4, 0.1, 0.05, 0.04]
    for value, epoch in ((0.3, 4), (0.6, 2), (0.01, 8)):
        trainer = gt.Trainer(*make_parts())
        callbacks = [_Set(losses), make(value)]
        with keeping_rng(), contextlib.suppress(StopIteration):
            choices: Any = {"epochs": len(losses), "batch_size": 80, "progress": False}
            trainer.fit(points(), points(), callbacks=callbacks, **choices)
        seen = len(trainer.history["val_loss"]) if trainer.history else 0
        expect(
            seen == epoch,
            f"`val_loss` was {losses[:epoch]}. GoodEnough({value}) is to have "
            f"{epoch} epochs; it had {seen}.",
        )
        expect(
            trainer.num_steps == epoch,
            f"It went on for {trainer.num_steps - epoch} update after epoch {epoch}: "
            "stop at the epoch's end.",
        )
        reason = trainer.history.stop_reason
        right = "epochs" if epoch == len(losses) else "good enough"
        expect(
            reason == right,
            f"`history.stop_reason` is to be {right!r}; it is {reason!r}: "
            "end it by `trainer.stop`.",
        )
