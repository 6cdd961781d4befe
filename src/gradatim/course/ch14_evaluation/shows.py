"""What chapter 14 shows: rung 13's loops, modes, over- and underfitting, schedules."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, ExponentialLR, LambdaLR, StepLR
from torch.utils.data import DataLoader, TensorDataset, random_split

from gradatim.course.curves import over_time, plane
from gradatim.course.doctor_says import diagnosed
from gradatim.course.loss_bowl import descent_of, least_squares
from gradatim.course.training_paths import line_of, random_from
from gradatim.data import line
from gradatim.ladder.rung_11_train_step import make_train_step
from gradatim.pages.charts import COLOURS, Chart, beside, framed
from gradatim.pages.html_tables import raised
from gradatim.pages.player import MovingChart, player
from gradatim.rng import keeping_rng
from gradatim.threads import threads

STATES: dict[str, list[Any]] = {
    "hidden": [8, 2, 4, 32, 128],
    "epoch": [300, 0, 30, 100, 1500],
}

NUM_EPOCHS = 60
"""The number of epochs for which the line is trained."""
NUM_UPDATES = 5
"""The number of updates in an epoch: 80 rows, 16 at a time."""


def _parts(lr: float = 0.1) -> tuple[Any, Any, nn.Module, torch.optim.Optimizer]:
    """Make loaders, model and optimizer as rung 13 does, with the global seed."""
    torch.manual_seed(42)
    train_set, val_set = random_split(TensorDataset(*line()), [80, 20])
    train_loader = DataLoader(train_set, batch_size=16, shuffle=True)
    val_loader = DataLoader(val_set, batch_size=16)
    torch.manual_seed(42)
    model = nn.Sequential(nn.Linear(1, 1))
    return (train_loader, val_loader, model, torch.optim.SGD(model.parameters(), lr=lr))


@dataclass(frozen=True)
class Validated:
    """The training of rung 13, update by update."""

    path: list[tuple[float, float]]
    """a and b before the first update and after each."""
    batches: list[Tensor]
    """The x of the rows of each update."""
    train_losses: list[float]
    """For each epoch, the mean loss of its rows as they were trained on."""
    val_losses: list[float]
    """For each epoch, the validation loss after it."""
    train: tuple[Tensor, Tensor]
    """The x and y of the rows that train."""
    val: tuple[Tensor, Tensor]
    """The x and y of the rows that validate."""


@lru_cache(maxsize=1)
@threads(1)
def validated() -> Validated:
    """Train and validate :data:`NUM_EPOCHS` epochs as rung 13 does."""
    with keeping_rng():
        train_loader, val_loader, model, optimizer = _parts()
        loss_fn = nn.MSELoss()
        train_step = make_train_step(model, loss_fn, optimizer)
        path, batches = [line_of(model)], []
        train_losses, val_losses = [], []
        for _ in range(NUM_EPOCHS):
            total = 0.0
            for x, y in train_loader:
                total += train_step(x, y) * len(x)
                batches.append(x)
                path.append(line_of(model))
            train_losses.append(total / 80)
            model.eval()
            total = 0.0
            with torch.no_grad():
                for x, y in val_loader:
                    total += loss_fn(model(x), y).item() * len(x)
            val_losses.append(total / 20)
            model.train()
    parts = train_loader.dataset, val_loader.dataset
    rows = [part.dataset[part.indices] for part in parts]
    return Validated(path, batches, train_losses, val_losses, *rows)


def played() -> str:
    """Draw :func:`validated` as a picture that moves, update by update.

    >>> played().count("data-foot")
    80
    """
    went = validated()
    x, y = (column.flatten().tolist() for column in went.train)
    rows = {value: number for number, value in enumerate(x)}
    batches = [{rows[v] for v in batch.flatten().tolist()} for batch in went.batches]
    fit = plane(MovingChart, "the line", (0, 3.5))
    fit.residuals(x, y, went.path[0], colour="gray")
    fit.points(x, y, colour="blue", size=2.2, label="train")
    fit.points(*went.val, colour="orange", size=2.2, label="validate")
    fit.lit_points(x, y, [set(), *batches], label="last batch")
    fit.moving_line(went.path, colour="green", label="line")
    chart = MovingChart(
        (0, NUM_EPOCHS), (5e-3, 2), title="both losses", x_label="epoch", log_y=True
    )
    epochs = [update // NUM_UPDATES for update in range(len(went.path))]
    numbers = range(1, NUM_EPOCHS + 1)
    for losses, colour, label in (
        (went.train_losses, "blue", "train"),
        (went.val_losses, "orange", "validation"),
    ):
        chart.growing_line(numbers, losses, epochs, colour=colour, label=label)
        # Before the first epoch there is no loss: the dot waits below the picture.
        at = [losses[n - 1] if n else 1e-9 for n in epochs]
        chart.moving_dot(epochs, at, colour=colour)
    captions = [
        f"Update {n}, epoch {epochs[n]}: the line is a {a:.4f}, b {b:.4f}."
        for n, (a, b) in enumerate(went.path)
    ]
    return player(
        beside(fit.svg(), chart.svg()),
        len(went.path),
        steps={"one more step": 1, "one more epoch": NUM_UPDATES},
        told=captions,
        label="update",
        rate=12,
    )


def two_means(at: int = 0) -> tuple[float, float]:
    """Give the mean of the losses of two batches, and the loss of all their rows.

    >>> by_batch, by_row = two_means()
    >>> round(by_batch, 3) != round(by_row, 3)
    True
    """
    (a, b), (x, y) = validated().path[at], validated().val
    squares = (y - (a + b * x)) ** 2
    parts = [float(part.mean()) for part in squares.split(16)]
    return sum(parts) / len(parts), float(squares.mean())


# Modes


def wavy_model(hidden: int, p: float | None = None) -> nn.Module:
    """Make a network of one hidden layer whose bends are spread from 0 to 1."""
    drop = [] if p is None else [nn.Dropout(p)]
    with random_from(3), torch.no_grad():
        layer, last = nn.Linear(1, hidden), nn.Linear(hidden, 1)
        layer.weight.mul_(min(8 + hidden / 3, 40))
        layer.bias.copy_(-layer.weight[:, 0] * torch.linspace(0, 1, hidden))
    return nn.Sequential(layer, nn.Tanh(), *drop, last)


def _update(
    model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor, count: int
) -> None:
    """Make ``count`` updates with all rows."""
    for _ in range(count):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()


@torch.no_grad()
def _val_loss(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return nn.functional.mse_loss(model(x), y).item()


@lru_cache(maxsize=1)
@threads(1)
def _trained_dropout() -> nn.Module:
    model = wavy_model(64, 0.5)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    with random_from(0):
        _update(model, optimizer, *waves(200, seed=7), 300)
    return model


@dataclass(frozen=True)
class Mode:
    """What a forward pass does in one mode, with or without gradients."""

    drops: bool
    """Whether two calls with the same input differ."""
    has_graph: bool
    """Whether a graph stands behind the result."""
    kept: int
    """The bytes of intermediate results that are kept for backward."""
    answers: list[list[float]]
    """The predictions of some calls, at 60 places."""


def mode_of(*, is_eval: bool, no_grad: bool, calls: int = 6) -> Mode:
    """Call a model with dropout in one of the four ways, and say what it did.

    >>> mode_of(is_eval=False, no_grad=True).drops
    True
    >>> mode_of(is_eval=True, no_grad=False).has_graph
    True
    """
    model = _trained_dropout()
    x = torch.linspace(0, 1, 60).unsqueeze(1)
    kept: dict[int, int] = {}
    own = {p.data_ptr() for p in model.parameters()} | {x.data_ptr()}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.data_ptr() not in own:
            kept[tensor.data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    model.train(not is_eval)
    try:
        with random_from(1), torch.set_grad_enabled(not no_grad):
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
                first = model(x)
            answers = [first, *(model(x) for _ in range(calls - 1))]
    finally:
        model.train()
    return Mode(
        drops=not torch.equal(answers[0], answers[1]),
        has_graph=first.grad_fn is not None,
        kept=sum(kept.values()),
        answers=[answer.detach().flatten().tolist() for answer in answers],
    )


def modes_table(is_eval: bool, no_grad: bool) -> str:
    """Draw the four ways as two rows of two, the chosen one framed."""
    parts = []
    for evaluates in (False, True):
        name = "eval()" if evaluates else "train()"
        y = 48 + 92 * evaluates
        parts.append(f'<text x="0" y="{y + 44}" font-weight="600">{name}</text>')
        for without in (False, True):
            mode = mode_of(is_eval=evaluates, no_grad=without, calls=2)
            x = 62 + 196 * without
            is_chosen = (evaluates, without) == (is_eval, no_grad)
            stroke, wide, opacity = "currentColor", 1, 0.3
            if is_chosen:
                stroke, wide, opacity = COLOURS["violet"], 3, 1
            fill = COLOURS["green"] if evaluates and without else "none"
            parts.append(
                f'<rect x="{x}" y="{y}" width="186" height="82" rx="6" fill="{fill}" '
                f'fill-opacity=".2" stroke="{stroke}" stroke-width="{wide}" '
                f'stroke-opacity="{opacity}"/>'
                f'<text x="{x + 12}" y="{y + 22}">dropout '
                f"{'acts' if mode.drops else 'rests'}</text>"
                f'<text x="{x + 12}" y="{y + 44}">'
                f"{'a graph is built' if mode.has_graph else 'no graph'}</text>"
                f'<text x="{x + 12}" y="{y + 66}">kept: {mode.kept:,} bytes</text>'
            )
    heads = (
        '<text x="62" y="38" font-weight="600">with gradients</text>'
        '<text x="258" y="38" font-weight="600">under no_grad()</text>'
    )
    return framed(heads + "".join(parts), 448, 230, "two switches, four ways")


def mode_picture(is_eval: bool, no_grad: bool) -> str:
    """Draw the predictions of six calls with the same input."""
    answers = mode_of(is_eval=is_eval, no_grad=no_grad).answers
    chart = plane(Chart, "six calls, the same x", (-2.2, 2.2))
    places = torch.linspace(0, 1, 60)
    colours = ("blue", "orange", "green", "red", "violet", "gray")
    for answer, colour in zip(answers, colours, strict=True):
        chart.line(places, answer, colour=colour, width=1.5)
    return chart.svg()


@threads(1)
def eval_forgotten(epochs: int = 60) -> tuple[str, float, float]:
    """Validate with dropout in both modes; draw both losses and give their ends."""
    model = wavy_model(64, 0.5)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    right, forgotten = [], []
    with random_from(0):
        for _ in range(epochs):
            _update(model, optimizer, *waves(200, seed=7), 5)
            model.eval()
            right.append(_val_loss(model, *waves(100, seed=8)))
            model.train()
            forgotten.append(_val_loss(model, *waves(100, seed=8)))
    curves = ("eval() forgotten", "red", forgotten), ("with eval()", "green", right)
    return _val_losses_picture(*curves, highest=1.2), right[-1], forgotten[-1]


def _val_losses_picture(*curves: tuple[str, str, list[float]], highest: float) -> str:
    """Draw validation losses, the first of which is that of epoch 1."""
    y = 0.0, highest
    chart = over_time(*curves, y=y, title="validation loss", first=1, log_y=False)
    return chart.svg()


FORGOTTEN = """\
import torch
from torch import nn

model = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Dropout(0.2), nn.Linear(64, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
x, x_val = torch.rand(80, 1), torch.rand(20, 1)
for epoch in range(20):
    for rows in torch.randperm(80).split(16):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x[rows]), 1 + 2 * x[rows]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val_loss = nn.functional.mse_loss(model(x_val), 1 + 2 * x_val)
"""
"""A loop that does not go back to train mode."""


def _val_losses(*, back: bool, epochs: int) -> list[float]:
    """Train with dropout; after each validation go back to train mode, or do not."""
    model = wavy_model(128, 0.2)
    rows, val_rows = wavy_rows()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    losses = []
    with random_from(0):
        for _ in range(epochs):
            _update(model, optimizer, *rows, 5)
            model.eval()
            losses.append(_val_loss(model, *val_rows))
            model.train(back)
    return losses


@threads(1)
def train_forgotten(epochs: int = 150) -> tuple[str, str]:
    """Forget ``train()`` after ``eval()``; draw the loss, give what the doctor says."""
    forgotten = _val_losses(back=False, epochs=epochs)
    right = _val_losses(back=True, epochs=epochs)
    curves = ("train() forgotten", "red", forgotten), ("with train()", "green", right)
    picture = _val_losses_picture(*curves, highest=0.6)
    return picture, diagnosed(FORGOTTEN, select=("GT402",))


def numpy_of_predictions() -> str:
    """Take predictions to NumPy without ``no_grad()``; give the exception as HTML.

    >>> "requires grad" in numpy_of_predictions()
    True
    """
    try:
        return str(_trained_dropout().eval()(torch.zeros(1, 1)).numpy())
    except RuntimeError as error:
        return raised(f"{type(error).__name__}: {error}")


def graphs_added_up(batches: int = 200) -> tuple[int, int]:
    """Add up losses of validation batches, with gradients and without.

    Give the number of operations that stay in memory in each case.
    """
    x, y = validated().val
    model = nn.Sequential(nn.Linear(1, 1))
    counts = []
    for is_on in (True, False):
        with torch.set_grad_enabled(is_on):
            total = torch.zeros(())
            for _ in range(batches):
                total = total + nn.functional.mse_loss(model(x), y)
        counts.append(_operations(total))
    return counts[0], counts[1]


def _operations(tensor: Tensor) -> int:
    """Count the operations in the graph of a tensor."""
    seen, ahead = set(), [tensor.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is not None and node not in seen:
            seen.add(node)
            ahead += [other for other, _ in node.next_functions]
    return len(seen)


# Under- and overfitting

NUM_ROWS = 20
"""The number of rows that train on the sine."""
LAST_EPOCH = 1500
"""The last epoch on the sine; chosen by hand, not measured."""
MARKS = (0, 10, 30, 100, 300, 1000, LAST_EPOCH)
"""The epochs after which the predictions are kept."""
EVERY = 10
"""The losses of every tenth epoch are kept."""


def waves(rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Make ``rows`` points of a sine with noise."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(rows, 1, generator=generator)
    noise = 0.3 * torch.randn(rows, 1, generator=generator)
    return x, (9 * x).sin() + noise


def wavy_rows() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Give few rows to train, and many to validate."""
    return waves(NUM_ROWS, seed=4), waves(200, seed=99)


@dataclass(frozen=True)
class WavyFit:
    """A network that was trained on few points of a sine."""

    epochs: list[int]
    train: list[float]
    val: list[float]
    curves: dict[int, list[float]]
    """The predictions at 121 places, by epoch."""

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest validation loss."""
        return self.epochs[min(range(len(self.val)), key=self.val.__getitem__)]


@lru_cache(maxsize=16)
@threads(1)
def wavy_fit(hidden: int) -> WavyFit:
    """Train a network of one hidden layer on all points at once."""
    (x, y), (val_x, val_y) = wavy_rows()
    places = torch.linspace(0, 1, 121).unsqueeze(1)
    model = wavy_model(hidden)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    fit = WavyFit([], [], [], {})
    for epoch in range(LAST_EPOCH + 1):
        loss = nn.functional.mse_loss(model(x), y)
        if epoch % EVERY == 0:
            with torch.no_grad():
                fit.epochs.append(epoch)
                fit.train.append(loss.item())
                fit.val.append(nn.functional.mse_loss(model(val_x), val_y).item())
                if epoch in MARKS:
                    fit.curves[epoch] = model(places).flatten().tolist()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return fit


def fit_picture(hidden: int, epoch: int) -> str:
    """Draw what the network predicts after an epoch of :data:`MARKS`."""
    title = f"{hidden} hidden unit{'' if hidden == 1 else 's'}, epoch {epoch}"
    chart = plane(Chart, title, (-2, 2))
    (x, y), _ = wavy_rows()
    places = torch.linspace(0, 1, 121)
    chart.line(places, (9 * places).sin(), colour="gray", dashed=True, label="truth")
    chart.line(places, wavy_fit(hidden).curves[epoch], colour="green", label="network")
    return chart.points(x, y, colour="blue", label="train", size=3.5).svg()


def fit_curves(hidden: int, epoch: int) -> str:
    """Draw both losses over all epochs."""
    fit = wavy_fit(hidden)
    chart = Chart((0, LAST_EPOCH + 100), (0, 1), title="the loss", x_label="epoch")
    chart.line(fit.epochs, fit.train, colour="blue", label="train")
    chart.line(fit.epochs, fit.val, colour="orange", label="validation")
    return chart.upright(epoch).svg()


# Schedules

SCHEDULES: dict[str, Callable[[torch.optim.Optimizer], Any]] = {
    "none: the same to the end": lambda o: LambdaLR(o, lambda _: 1.0),
    "StepLR: a tenth every 20 epochs": lambda o: StepLR(o, 20, gamma=0.1),
    "ExponentialLR: 0.93 of it each epoch": lambda o: ExponentialLR(o, 0.93),
    "CosineAnnealingLR: along a cosine": lambda o: CosineAnnealingLR(o, NUM_EPOCHS),
}
"""For each name, a function that makes the scheduler."""


@dataclass(frozen=True)
class Scheduled:
    """A training with a schedule."""

    rates: list[float]
    """The learning rate at the beginning of each epoch."""
    above: list[float]
    """The loss of all 80 rows after each update, minus the lowest loss of a line."""


@lru_cache(maxsize=16)
@threads(1)
def scheduled(name: str, *, lr: float = 0.1, per_batch: bool = False) -> Scheduled:
    """Train the model of rung 13 with one of :data:`SCHEDULES`, from ``lr`` on.

    ``per_batch`` steps it after each batch, which is wrong if it counts epochs.
    """
    with keeping_rng():
        train_loader, _, model, optimizer = _parts(lr)
        scheduler = SCHEDULES[name](optimizer)
        train_step = make_train_step(model, nn.MSELoss(), optimizer)
        rates, path = [], [line_of(model)]
        for _ in range(NUM_EPOCHS):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            for x, y in train_loader:
                train_step(x, y)
                path.append(line_of(model))
                if per_batch:
                    scheduler.step()
            if not per_batch:
                scheduler.step()
    part = train_loader.dataset
    x, y = (values.double() for values in part.dataset[part.indices])
    places = torch.tensor([*path, least_squares(x, y).tolist()], dtype=torch.float64)
    *losses, least = descent_of(places, x, y).losses
    return Scheduled(rates, [max(loss - least, 1e-12) for loss in losses])


def schedule_picture(
    name: str, lr: float = 0.1, *, per_batch: bool = False
) -> tuple[str, str]:
    """Draw the learning rates, and how far the loss is above the lowest one."""
    training = scheduled(name, lr=lr, per_batch=per_batch)
    plain = scheduled(next(iter(SCHEDULES)), lr=lr)
    axis: Any = {"x": (0, NUM_EPOCHS), "x_label": "epoch", "log_y": True}
    rates = Chart(y=(5e-5, 1), title="learning rate of each epoch", **axis)
    # A rate holds for a whole epoch, so the line has stairs and no slopes.
    corners = [
        (n + part, rate) for n, rate in enumerate(training.rates) for part in (0, 1)
    ]
    rates.line(*zip(*corners, strict=True), colour="violet")
    title = "loss of all 80 rows above the least one"
    above = Chart(y=(1e-8, 2), title=title, **axis)
    places = [n / NUM_UPDATES for n in range(len(training.above))]
    above.line(places, plain.above, colour="gray", width=1, label="no schedule")
    if training.rates != plain.rates:
        above.line(places, training.above, colour="violet", label="with the schedule")
    return rates.svg(), above.svg()
