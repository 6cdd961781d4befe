"""A Trainer with early stopping and a schedule."""

from typing import Any

import torch
from torch import nn

import gradatim as gt
from gradatim.course.ch14_evaluation.shows import wavy_model, wavy_rows
from gradatim.course.exercise import expect
from gradatim.threads import threads

TEXT = """
Write `train(model, optimizer, schedule, train_rows, val_rows)`. Fit the model with
`nn.MSELoss()` and a Trainer: at most 200 epochs, batches of 10, `seed=0`,
`progress=False`. Step the schedule once an epoch. Stop when `val_loss` has not improved
for 15 epochs. Return the history.
"""
STUB = """
import gradatim as gt
from torch import nn

def train(model, optimizer, schedule, train_rows, val_rows):
    trainer = gt.Trainer(...)
    return trainer.fit(...)
"""
HINT = """
`callbacks=[gt.LRScheduler(schedule), gt.EarlyStopping(patience=15)]`. The validation
rows are the second argument of `fit`.
"""
SOLUTION = """
import gradatim as gt
from torch import nn

def train(model, optimizer, schedule, train_rows, val_rows):
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
    callbacks = [gt.LRScheduler(schedule), gt.EarlyStopping(patience=15)]
    return trainer.fit(
        train_rows,
        val_rows,
        epochs=200,
        batch_size=10,
        seed=0,
        callbacks=callbacks,
        progress=False,
    )
"""
PRAISE = "Compare it with the loops of chapter 14: what would you still write by hand?"
MUTANTS = r"""
no early stopping: , gt.EarlyStopping(patience=15) =>
no schedule: gt.LRScheduler(schedule),  =>
the default patience: patience=15 =>
the schedule per update: LRScheduler(schedule) => LRScheduler(schedule, per="step")
the best is not put back: patience=15 => patience=15, restore_best=False
a bare schedule: gt.LRScheduler(schedule) => schedule
validated on the training rows: val_rows, => train_rows,
no validation: val_rows, =>
monitors the training loss: patience=15 => "train_loss", patience=15
one batch: batch_size=10 => batch_size=20
another seed: seed=0 => seed=42
the model comes back:
  return trainer => trainer
  \n    ) => \n    )\n    return model
"""


def _parts() -> tuple[nn.Module, torch.optim.Optimizer, Any]:
    model = wavy_model(64)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return model, optimizer, torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.99)


@threads(1)
def check(train: Any) -> None:
    """Compare with the same training."""
    rows, val = wavy_rows()
    model, optimizer, schedule = _parts()
    callbacks = [gt.LRScheduler(schedule), gt.EarlyStopping(patience=15)]
    choices: Any = {"epochs": 200, "batch_size": 10, "seed": 0, "progress": False}
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
    right = trainer.fit(rows, val, callbacks=callbacks, **choices)
    parts = _parts()
    answer = train(*parts, rows, val)
    expect(
        isinstance(answer, dict) and "train_loss" in answer,
        "The history is to come back: what `fit` returns.",
    )
    expect(
        "val_loss" in answer, "The history has no `val_loss`: give `fit` `val_rows`."
    )
    steps = answer["num_steps"][0]
    expect(
        steps == right["num_steps"][0],
        f"20 rows in batches of 10 are 2 updates an epoch; yours had {steps}.",
    )
    got, due = answer["lr"][1], right["lr"][1]
    expect(
        abs(got - due) < 1e-9,
        f"After two epochs the rate is to be {due:.6f}; it is {got:.6f}: is the "
        "schedule stepped once an epoch?",
    )
    got, due = answer["val_loss"][0], right["val_loss"][0]
    expect(
        abs(got - due) < 1e-6,
        f"The validation loss of epoch 1 is {due:.4f}; yours is {got:.4f}. Are these "
        "the validation rows, is the seed 0?",
    )
    got, due = len(answer["val_loss"]), len(right["val_loss"])
    expect(
        got == due,
        f"It is to stop after epoch {due}: 15 epochs after the best `val_loss`. Yours "
        f"ran {got} epochs.",
    )
    x, y = val
    with torch.no_grad():
        got, due = (float(nn.functional.mse_loss(m(x), y)) for m in (parts[0], model))
    expect(
        abs(got - due) < 1e-6,
        f"The model is to have the best epoch's weights, with a validation loss of "
        f"{due:.4f}; it has {got:.4f}.",
    )
