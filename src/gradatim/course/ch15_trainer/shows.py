"""What chapter 15 shows: the Trainer beside rung 13, callbacks, a run that goes on."""

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, StepLR
from torch.utils.data import DataLoader, TensorDataset

import gradatim as gt
from gradatim.course.ch11_step.shows import make_parts
from gradatim.course.ch14_evaluation.shows import wavy_model, wavy_rows
from gradatim.course.doctor_says import hushed, written
from gradatim.course.training_paths import points
from gradatim.errors import ResumeError
from gradatim.ladder import rung_13_evaluation, rung_14_gradatim
from gradatim.pages.charts import Chart
from gradatim.rng import keeping_rng
from gradatim.threads import threads

STATES: dict[str, list[Any]] = {
    "epochs": [30, 1, 100],
    "patience": [20, 1, 3, 5, 50, 100],
}


@dataclass(frozen=True)
class Both:
    """The trainings of rung 13 and rung 14, from the same start."""

    lines: list[tuple[str, float, float]]
    """What is compared: its name, its value by hand and its value with the Trainer."""

    @property
    def num_equal(self) -> int:
        """The number of lines whose two values are equal to the last bit."""
        return sum(bits(one) == bits(other) for _, one, other in self.lines)


def bits(number: float) -> str:
    """Write a number with as many digits as distinguish it from all others.

    >>> bits(0.1), bits(0.1 + 0.2)
    ('0.1', '0.30000000000000004')
    """
    return repr(number)


@lru_cache(maxsize=8)
@threads(1)
def both(epochs: int) -> Both:
    """Run the programs of rung 13 and rung 14.

    >>> trainings = both(2)
    >>> trainings.num_equal == len(trainings.lines)
    True
    """
    with hushed():
        one = rung_13_evaluation.run(epochs)
        other = rung_14_gradatim.run(epochs)
    lines = [("b, the weight", one[1], other[1]), ("a, the bias", one[0], other[0])]
    for key, name in (("train_loss", "training loss"), ("val_loss", "validation loss")):
        lines += [
            (f"{name}, epoch {place + 1}", before, after)
            for place, (before, after) in enumerate(
                zip(one[2][key], other[2][key], strict=True)
            )
        ]
    return Both(lines)


@lru_cache(maxsize=8)
@threads(1)
def fit_line(epochs: int) -> gt.Trainer:
    """Train the line of chapters 1 to 11 with a Trainer, in batches of 16."""
    model, loss_fn, optimizer = make_parts()
    trainer = gt.Trainer(model, loss_fn, optimizer)
    train, val = gt.data.line_split(*gt.data.line())
    trainer.fit(train, val, epochs=epochs, batch_size=16, seed=42, progress=False)
    return trainer


def history_picture(history: gt.History, key: str) -> str:
    """Draw the values of one key of a history over the epochs."""
    values = [float(value) for value in history[key]]
    low, high = min(values), max(values)
    is_loss = key.endswith("loss")
    room = 0.05 * (high - low) or 1.0
    y = (0.0, high + room) if is_loss else (low - room, high + room)
    chart = Chart((0, len(values) + 1), y, title=f'history["{key}"]', x_label="epoch")
    return chart.line(history["epoch"], values, colour="blue", dots=True).svg()


# Callbacks


@dataclass(frozen=True)
class Stopped:
    """A training with early stopping."""

    train: list[float]
    val: list[float]
    reason: str
    best_epoch: int
    left: float
    """The validation loss of the weights that the model has at the end."""


@lru_cache(maxsize=32)
@threads(1)
def stopped_early(patience: int) -> Stopped:
    """Train a large network on few rows until it has not improved for some epochs."""
    train, val = wavy_rows()
    model = wavy_model(128)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
    stopping = gt.EarlyStopping(patience=patience)
    history = trainer.fit(
        train,
        val,
        epochs=300,
        batch_size=20,
        seed=0,
        callbacks=[stopping],
        progress=False,
    )
    assert stopping.best_epoch is not None
    return Stopped(
        history["train_loss"],
        history["val_loss"],
        str(history.stop_reason),
        stopping.best_epoch,
        float(trainer.evaluate(val)["loss"]),
    )


def stopped_picture(patience: int) -> str:
    """Draw both losses up to early stopping, and the best epoch."""
    training = stopped_early(patience)
    chart = Chart(
        (0, 320),
        (0, 1),
        title=f"patience {patience}: {len(training.val)} epochs",
        x_label="epoch",
    )
    numbers = range(1, len(training.val) + 1)
    chart.line(numbers, training.train, colour="blue", label="train")
    chart.line(numbers, training.val, colour="orange", label="validation")
    chart.upright(len(training.val), label="stopped")
    return chart.star(training.best_epoch, min(training.val), label="best").svg()


@lru_cache(maxsize=8)
@threads(1)
def scheduled_picture(per: str) -> str:
    """Draw the learning rate of a cosine schedule that counts epochs or updates."""
    model, loss_fn, _ = make_parts()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    total = 30 if per == "epoch" else 30 * 5
    schedule = CosineAnnealingLR(optimizer, total)
    rates: list[float] = []

    class Note(gt.Callback):
        def on_step_end(self, trainer: Any, loss: Tensor) -> None:
            rates.append(float(optimizer.param_groups[0]["lr"]))

    callbacks = [
        Note(),
        gt.LRScheduler(schedule, per="epoch" if per == "epoch" else "step"),
    ]
    trainer = gt.Trainer(model, loss_fn, optimizer)
    trainer.fit(
        points(), epochs=30, batch_size=16, seed=42, callbacks=callbacks, progress=False
    )
    chart = Chart(
        (0, 30), (0, 0.55), title=f'LRScheduler(per="{per}")', x_label="epoch"
    )
    places = [n / 5 for n in range(len(rates))]
    return chart.line(places, rates, colour="violet", label="learning rate").svg()


def _lr_too_high() -> tuple[nn.Module, nn.Module, torch.optim.Optimizer, Any]:
    model = wavy_model(32)
    return (
        model,
        nn.MSELoss(),
        torch.optim.Adam(model.parameters(), lr=3.0),
        wavy_rows()[1],
    )


def _softmax_twice() -> tuple[nn.Module, nn.Module, torch.optim.Optimizer, Any]:
    with keeping_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 4, generator=generator)
    data = x, x[:, :3].argmax(dim=1)
    return (
        model,
        nn.CrossEntropyLoss(),
        torch.optim.SGD(model.parameters(), lr=0.1),
        data,
    )


def _healthy() -> tuple[nn.Module, nn.Module, torch.optim.Optimizer, Any]:
    return *make_parts(), points()


SICK: dict[str, Callable[[], Any]] = {
    "a learning rate of 3": _lr_too_high,
    "a softmax before CrossEntropyLoss": _softmax_twice,
    "nothing: the tutorial's line": _healthy,
}
"""For each fault, a function that makes model, loss, optimizer and data."""


@lru_cache(maxsize=8)
@threads(1)
def examined(name: str) -> list[str]:
    """Train one of :data:`SICK` with the doctor; give its findings.

    >>> examined("nothing: the tutorial's line")
    []
    """
    model, loss_fn, optimizer, data = SICK[name]()
    doctor = gt.Doctor(tell=lambda finding: None)
    with keeping_rng(), contextlib.suppress(FloatingPointError):
        gt.Trainer(model, loss_fn, optimizer).fit(
            data, epochs=12, batch_size=16, seed=0, callbacks=[doctor], progress=False
        )
    return written(doctor.findings)


# A run


@dataclass(frozen=True)
class Resumed:
    """A training that was stopped and resumed, beside one that was never stopped."""

    told: str
    """What gradatim has printed."""
    files: list[str]
    """The files in the folder of the run, after the stop."""
    whole: dict[str, Tensor]
    """The weights of the training that was never stopped."""
    again: dict[str, Tensor]
    """The weights of the training that was resumed."""
    losses: tuple[list[float], list[float]]
    """The validation losses of both."""

    @property
    def is_equal(self) -> bool:
        """Whether all weights and losses are equal to the last bit."""
        return self.losses[0] == self.losses[1] and all(
            torch.equal(self.whole[name], self.again[name]) for name in self.whole
        )


class _Stop(gt.Callback):
    """Plays the part of a power failure: raises in the middle of an epoch."""

    only_watches = True

    def __init__(self, after: int) -> None:
        self.after = after

    def on_step_end(self, trainer: Any, loss: Tensor) -> None:
        if trainer.num_steps == self.after:
            raise InterruptedError("the power is gone")


NUM_EPOCHS = 20
"""The number of epochs of the run, with 5 updates each."""


def _trainer() -> gt.Trainer:
    model = wavy_model(16, 0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    return gt.Trainer(model, nn.MSELoss(), optimizer)


def _fit(trainer: gt.Trainer, *callbacks: Any, epochs: int = NUM_EPOCHS) -> list[float]:
    train, val = wavy_rows()
    history = trainer.fit(
        train,
        val,
        epochs=epochs,
        batch_size=4,
        seed=42,
        callbacks=callbacks,
        progress=False,
    )
    return list(history["val_loss"])


@lru_cache(maxsize=32)
@threads(1)
def resumed(after: int) -> Resumed:
    """Stop a training after some of its 100 updates; resume it in a new trainer."""
    with keeping_rng(), tempfile.TemporaryDirectory() as name, hushed() as printed:
        folder = Path(name) / "run"
        torch.manual_seed(7)
        whole = _trainer()
        one = _fit(whole)
        torch.manual_seed(7)
        with contextlib.suppress(InterruptedError):
            _fit(_trainer(), gt.Run(folder, every_steps=10), _Stop(after))
        files = sorted(
            str(path.relative_to(folder))
            for path in folder.rglob("*")
            if path.is_file()
        )
        torch.manual_seed(1)  # another process would have other random numbers, too
        again = _trainer()
        other = _fit(again, gt.Run(folder, every_steps=None))
        text = printed.getvalue().replace(name, "...")
    return Resumed(
        text, files, whole.model.state_dict(), again.model.state_dict(), (one, other)
    )


@threads(1)
def without_optimizer() -> tuple[str, float]:
    """Go on with the weights alone; draw the losses, give how far their ends differ."""
    after = 10
    with keeping_rng():
        torch.manual_seed(7)
        right = _fit(_trainer())
        torch.manual_seed(7)
        first = _trainer()
        wrong = _fit(first, epochs=after)
        second = _trainer()
        second.model.load_state_dict(first.model.state_dict())
        wrong += _fit(second, epochs=NUM_EPOCHS - after)
    chart = Chart(
        (0, NUM_EPOCHS + 1), (0, 0.6), title="validation loss", x_label="epoch"
    )
    numbers = range(1, NUM_EPOCHS + 1)
    chart.line(numbers, right, colour="green", label="never stopped")
    chart.line(numbers, wrong, colour="red", label="weights alone", dashed=True)
    return chart.upright(after).svg(), abs(right[-1] - wrong[-1])


# What it refuses


def _line_trainer(**options: Any) -> gt.Trainer:
    return gt.Trainer(*make_parts(), **options)


def _other_optimizer() -> Any:
    model, loss_fn, _ = make_parts()
    _, _, optimizer = make_parts()
    return gt.Trainer(model, loss_fn, optimizer).fit(points(), epochs=1, progress=False)


def _flat_targets() -> Any:
    x, y = points()
    return _line_trainer().fit((x, y[:, 0]), epochs=1, progress=False)


def _bare_scheduler() -> Any:
    trainer = _line_trainer()
    schedule = StepLR(trainer.optimizer, step_size=20)
    return trainer.fit(points(), epochs=1, callbacks=[schedule], progress=False)


def _nothing_to_monitor() -> Any:
    stopping = gt.EarlyStopping("val_loss")
    return _line_trainer().fit(points(), epochs=1, callbacks=[stopping], progress=False)


def _misspelt_hook() -> Any:
    class Misspelt(gt.Callback):
        def on_epoch_ends(self, trainer: Any) -> None:
            print(trainer.epoch)

    return _line_trainer().fit(
        points(), epochs=1, callbacks=[Misspelt()], progress=False
    )


def _loader_and_size() -> Any:
    loader = DataLoader(TensorDataset(*points()), batch_size=16)
    return _line_trainer().fit(loader, epochs=1, batch_size=32, progress=False)


def _other_rows() -> Any:
    try:
        _go_on_without_val()
    except ResumeError as error:
        raise ResumeError(str(error).replace(f"{tempfile.gettempdir()}/", "")) from None


def _go_on_without_val() -> None:
    with tempfile.TemporaryDirectory() as name, hushed():
        _fit(_trainer(), gt.Run(f"{name}/run"), epochs=2)
        trainer = _trainer()
        trainer.fit(
            wavy_rows()[0],
            epochs=4,
            batch_size=20,
            seed=42,
            callbacks=[gt.Run(f"{name}/run")],
            progress=False,
        )


def _not_a_number() -> Any:
    x, y = points()
    x = x.clone()
    x[3] = float("nan")
    return _line_trainer().fit((x, y), epochs=1, progress=False)


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "the optimizer of another model": (
        _other_optimizer,
        "make the optimizer from `model.parameters()` of this very model.",
    ),
    "targets of shape (80,)": (
        _flat_targets,
        "`y.unsqueeze(1)`: predictions and targets need the same shape. Else each row "
        "is compared with every other.",
    ),
    "a bare scheduler as callback": (
        _bare_scheduler,
        "`gt.LRScheduler(schedule)`, which says when it is stepped.",
    ),
    "EarlyStopping without validation": (
        _nothing_to_monitor,
        "give `fit` a second argument, the validation rows.",
    ),
    "a hook on_epoch_ends": (
        _misspelt_hook,
        "`on_epoch_end`. A hook with another name would never be called.",
    ),
    "a DataLoader, and batch_size": (
        _loader_and_size,
        "give one of the two: a loader has its own size.",
    ),
    "go on without the validation rows": (
        _other_rows,
        "put data and choices back as they were, or begin a new run in another folder.",
    ),
    "one NaN in x": (
        _not_a_number,
        "clean the data. The message names the update at which it happened.",
    ),
}
"""For each fault, a function that raises, and what to do instead."""


@threads(1)
def modes_around() -> list[dict[str, str]]:
    """Predict with a model in either mode; give a row with its mode before and after.

    >>> [row["after"] for row in modes_around()]
    ['train', 'eval']
    """
    trainer, rows = _line_trainer(), []
    for training in (True, False):
        trainer.model.train(training)
        one, other = trainer.predict(points()[0]), trainer.predict(points()[0])
        rows.append(
            {
                "before": "train" if training else "eval",
                "after": "train" if trainer.model.training else "eval",
                "graph behind it": "no" if one.grad_fn is None else "yes",
                "twice the same": "yes" if torch.equal(one, other) else "no",
            }
        )
    return rows


def refuse(name: str) -> Any:
    """Do one of :data:`REFUSED`, which raises."""
    return REFUSED[name][0]()
