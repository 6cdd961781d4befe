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
from gradatim.course.ch14_evaluation.shows import wavy_model, wavy_rows
from gradatim.course.doctor_says import hushed, written
from gradatim.course.training_paths import make_parts, points, random_from
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
        return sum(one == other for _, one, other in self.lines)


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
        pairs = enumerate(zip(one[2][key], other[2][key], strict=True), 1)
        lines += [(f"{name}, epoch {epoch}", *pair) for epoch, pair in pairs]
    return Both(lines)


@lru_cache(maxsize=8)
@threads(1)
def fit_line(epochs: int) -> gt.Trainer:
    """Train the line of chapters 1 to 11 with a Trainer, in batches of 16."""
    trainer = gt.Trainer(*make_parts())
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
    choices: Any = {"epochs": 300, "batch_size": 20, "seed": 0, "progress": False}
    history = trainer.fit(train, val, callbacks=[stopping], **choices)
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
    last = len(training.val)
    title = f"patience {patience}: {last} epochs"
    chart = Chart((0, 320), (0, 1), title=title, x_label="epoch")
    numbers = range(1, last + 1)
    chart.line(numbers, training.train, colour="blue", label="train")
    chart.line(numbers, training.val, colour="orange", label="validation")
    chart.upright(last, label="stopped")
    return chart.star(training.best_epoch, min(training.val), label="best").svg()


@lru_cache(maxsize=8)
@threads(1)
def scheduled_picture(per: str) -> str:
    """Draw the learning rate of a cosine schedule that counts epochs or updates."""
    model, loss_fn, optimizer = make_parts(0.5)
    total = 30 if per == "epoch" else 30 * 5
    schedule = CosineAnnealingLR(optimizer, total)
    rates: list[float] = []

    class Note(gt.Callback):
        def on_step_end(self, trainer: Any, loss: Tensor) -> None:
            rates.append(float(optimizer.param_groups[0]["lr"]))

    scheduler = gt.LRScheduler(schedule, per="epoch" if per == "epoch" else "step")
    choices: Any = {"epochs": 30, "batch_size": 16, "seed": 42, "progress": False}
    trainer = gt.Trainer(model, loss_fn, optimizer)
    trainer.fit(points(), callbacks=[Note(), scheduler], **choices)
    title = f'LRScheduler(per="{per}")'
    chart = Chart((0, 30), (0, 0.55), title=title, x_label="epoch")
    places = [n / 5 for n in range(len(rates))]
    return chart.line(places, rates, colour="violet", label="learning rate").svg()


Parts = tuple[nn.Module, nn.Module, torch.optim.Optimizer, Any]


def _lr_too_high() -> Parts:
    model = wavy_model(32)
    optimizer = torch.optim.Adam(model.parameters(), lr=3.0)
    return model, nn.MSELoss(), optimizer, wavy_rows()[1]


def _softmax_twice() -> Parts:
    with random_from(0):
        model = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = torch.randn(120, 4, generator=torch.Generator().manual_seed(0))
    return model, nn.CrossEntropyLoss(), optimizer, (x, x[:, :3].argmax(dim=1))


SICK: dict[str, Callable[[], Parts]] = {
    "a learning rate of 3": _lr_too_high,
    "a softmax before CrossEntropyLoss": _softmax_twice,
    "nothing: the tutorial's line": lambda: (*make_parts(), points()),
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
    is_equal: bool
    """Whether all weights and losses of both are equal to the last bit."""


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
    choices: Any = {"batch_size": 4, "seed": 42, "progress": False}
    history = trainer.fit(*wavy_rows(), epochs=epochs, callbacks=callbacks, **choices)
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
        paths = filter(Path.is_file, folder.rglob("*"))
        files = sorted(str(path.relative_to(folder)) for path in paths)
        torch.manual_seed(1)  # another process would have other random numbers, too
        again = _trainer()
        other = _fit(again, gt.Run(folder, every_steps=None))
        text = printed.getvalue().replace(name, "...")
    weights, weights_again = (t.model.state_dict().values() for t in (whole, again))
    is_equal = one == other and all(map(torch.equal, weights, weights_again))
    return Resumed(text, files, is_equal)


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
    x = 0, NUM_EPOCHS + 1
    chart = Chart(x, (0, 0.6), title="validation loss", x_label="epoch")
    numbers = range(1, NUM_EPOCHS + 1)
    chart.line(numbers, right, colour="green", label="never stopped")
    chart.line(numbers, wrong, colour="red", label="weights alone", dashed=True)
    return chart.upright(after).svg(), abs(right[-1] - wrong[-1])


# What it refuses


def _fit_line(data: Any = None, **choices: Any) -> Any:
    """Fit the line for one epoch, with choices of :meth:`gradatim.Trainer.fit`."""
    rows = points() if data is None else data
    return gt.Trainer(*make_parts()).fit(rows, epochs=1, progress=False, **choices)


def _other_optimizer() -> Any:
    model, loss_fn, _ = make_parts()
    _, _, optimizer = make_parts()
    return gt.Trainer(model, loss_fn, optimizer).fit(points(), epochs=1, progress=False)


def _flat_targets() -> Any:
    x, y = points()
    return _fit_line((x, y[:, 0]))


def _misspelt_hook() -> Any:
    class Misspelt(gt.Callback):
        def on_epoch_ends(self, trainer: Any) -> None:
            print(trainer.epoch)

    return _fit_line(callbacks=[Misspelt()])


def _loader_and_size() -> Any:
    loader = DataLoader(TensorDataset(*points()), batch_size=16)
    return _fit_line(loader, batch_size=32)


def _other_rows() -> None:
    with tempfile.TemporaryDirectory() as name, hushed():
        _fit(_trainer(), gt.Run(f"{name}/run"), epochs=2)
        choices: Any = {"epochs": 4, "batch_size": 20, "seed": 42, "progress": False}
        run = gt.Run(f"{name}/run")
        try:
            _trainer().fit(wavy_rows()[0], callbacks=[run], **choices)
        except ResumeError as error:
            message = str(error).replace(f"{tempfile.gettempdir()}/", "")
            raise ResumeError(message) from None


def _not_a_number() -> Any:
    x, y = points()
    x = x.clone()
    x[3] = float("nan")
    return _fit_line((x, y))


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
        lambda: _fit_line(callbacks=[StepLR(make_parts()[2], step_size=20)]),
        "`gt.LRScheduler(schedule)`, which says when it is stepped.",
    ),
    "EarlyStopping without validation": (
        lambda: _fit_line(callbacks=[gt.EarlyStopping("val_loss")]),
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
    trainer, rows = gt.Trainer(*make_parts()), []
    mode, answer = {True: "train", False: "eval"}, {True: "yes", False: "no"}
    for training in (True, False):
        trainer.model.train(training)
        one, other = trainer.predict(points()[0]), trainer.predict(points()[0])
        rows.append(
            {
                "before": mode[training],
                "after": mode[trainer.model.training],
                "graph behind it": answer[one.grad_fn is not None],
                "twice the same": answer[torch.equal(one, other)],
            }
        )
    return rows


def refuse(name: str) -> Any:
    """Do one of :data:`REFUSED`, which raises."""
    return REFUSED[name][0]()
