"""What chapter 10 shows: modules and what is found in them, hooks, modes, dropout."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gradatim.course.curves import over_time
from gradatim.course.loss_bowl import Descent
from gradatim.course.shown_source import bare_source
from gradatim.course.training_paths import (
    fits,
    points,
    random_from,
    seeded,
    train_line,
)
from gradatim.ladder.rung_09_model import ManualLine
from gradatim.ladder.rung_10_nested import LayerLine
from gradatim.pages.boxes import Cell, cells, outline


class TensorLine(nn.Module):
    """A line whose b is a tensor, not a Parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(1))
        self.b = torch.randn(1, requires_grad=True)

    def forward(self, x: Tensor) -> Tensor:
        """Predict y."""
        return self.a + self.b * x


class ListLine(nn.Module):
    """A line whose layer is in a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(1, 1)]

    def forward(self, x: Tensor) -> Tensor:
        """Predict y."""
        predictions: Tensor = self.layers[0](x)
        return predictions


class HalfListLine(nn.Module):
    """A line whose a is a Parameter, and whose other layer is in a plain list."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.randn(1))
        self.layers = [nn.Linear(1, 1, bias=False)]

    def forward(self, x: Tensor) -> Tensor:
        """Predict y."""
        return self.a + self.layers[0](x)


KINDS: dict[str, Callable[[], nn.Module]] = {
    "two Parameters": ManualLine,
    "b as a plain tensor": TensorLine,
    "a Linear in a Module": LayerLine,
    "Sequential": lambda: nn.Sequential(nn.Linear(1, 1)),
    "one layer in a plain list": HalfListLine,
}
"""The models of the chapter, by the names that it gives them."""

STATES: dict[str, list[Any]] = {"kind": list(KINDS), "epochs": [1000, 0, 10, 100]}


def trained(kind: str, *, epochs: int = 1000) -> Descent:
    """Train a model of :data:`KINDS`, made after ``torch.manual_seed(42)``.

    >>> path = trained("Sequential", epochs=1).path
    >>> [round(value, 4) for value in path[0].tolist()]
    [0.83, 0.7645]
    """
    return train_line(seeded(KINDS[kind]), nn.MSELoss(), *points(), epochs=epochs)


def code_of(kind: str) -> str:
    """Give the source of a model of :data:`KINDS`.

    >>> code_of("Sequential")
    'model = nn.Sequential(nn.Linear(1, 1))'
    """
    made = KINDS[kind]
    is_class = isinstance(made, type)
    return bare_source(made) if is_class else "model = nn.Sequential(nn.Linear(1, 1))"


def state_of(kind: str) -> str:
    """Write a model's ``state_dict()`` as it is before training.

    >>> state_of("two Parameters")
    '{a: 0.3367, b: 0.1288}'
    """
    state = seeded(KINDS[kind]).state_dict()
    pairs = ", ".join(f"{name}: {value.item():.4f}" for name, value in state.items())
    return f"{{{pairs}}}"


def half_trained() -> str:
    """Draw what becomes of a line whose b is no parameter."""
    meant, half = trained("two Parameters"), trained("b as a plain tensor")
    return fits(
        ("meant", "green", tuple(meant.path[-1].tolist())),
        ("b stayed as it was", "red", tuple(half.path[-1].tolist())),
        title="1,000 epochs",
    )


def modes() -> list[dict[str, str]]:
    """Call ``train()`` and ``eval()``; give a row with the state after each call.

    >>> [row["model.training"] for row in modes()]
    ['True', 'True', 'False', 'True']
    """
    model = seeded(ManualLine)
    a, b = model.parameters()

    def row(name: str) -> dict[str, str]:
        return {
            "after": name,
            "model.training": str(model.training),
            "a": f"{a.item():.4f}",
            "b": f"{b.item():.4f}",
            "a.grad": str(a.grad),
        }

    rows = [row("made")]
    for _ in range(1000):
        model.train()
    rows.append(row("1,000 times model.train()"))
    model.eval()
    rows.append(row("model.eval()"))
    model.train()
    return [*rows, row("model.train()")]


def only_train(epochs: int = 1000) -> str:
    """Draw the loss of a loop that calls ``train()`` and makes no update."""
    x, y = points()
    model, losses = seeded(ManualLine), []
    for _ in range(epochs):
        model.train()
        losses.append(nn.functional.mse_loss(model(x), y).item())
    right = trained("two Parameters", epochs=epochs).losses
    curves = ("with updates", "green", right), ("train() alone", "red", losses)
    return over_time(*curves, y=(5e-3, 10), title="loss").svg()


def anatomy(kind: str) -> str:
    """Draw the parts of a model of :data:`KINDS`: which are found, which learn.

    >>> "layers: list" in anatomy("one layer in a plain list")
    True
    """
    model = seeded(KINDS[kind])
    x, y = points()
    nn.functional.mse_loss(model(x), y).backward()
    lines = [(0, f"model: {type(model).__name__}", "")]
    for name, parameter in model.named_parameters(recurse=False):
        lines.append((1, _described(name, parameter), "blue"))
    for name, child in model.named_children():
        lines.append((1, f"{name}: {type(child).__name__}", ""))
        for inner, parameter in child.named_parameters():
            colour = "gray" if parameter.grad is None else "blue"
            lines.append((2, _described(f"{name}.{inner}", parameter), colour))
    for name, value in vars(model).items():
        if isinstance(value, Tensor):
            lines.append((1, f"{name}: a tensor", "red"))
        elif isinstance(value, list):
            lines.append((1, f"{name}: list", ""))
            lines += [(2, f"{type(part).__name__}: not found", "red") for part in value]
    count = sum(1 for _ in model.parameters())
    return outline(
        lines,
        title=f"parameters() finds {count}",
        legend=[
            ("found, has a gradient", "blue"),
            ("found, gradient None", "gray"),
            ("not found", "red"),
        ],
    )


def _described(name: str, parameter: nn.Parameter) -> str:
    grad = "None" if parameter.grad is None else f"{parameter.grad.item():.3f}"
    return f"{name} = {parameter.item():.4f}, gradient {grad}"


def hook_runs(*, by_forward: bool) -> int:
    """Count how often a hook runs in one prediction.

    >>> hook_runs(by_forward=False), hook_runs(by_forward=True)
    (1, 0)
    """
    model, calls = seeded(ManualLine), []
    model.register_forward_hook(lambda *_: calls.append("hook"))
    predict = model.forward if by_forward else model
    predict(points()[0])
    return len(calls)


def _dropped(p: float, draw: int, *, training: bool, size: int) -> Tensor:
    with random_from(draw):
        return nn.functional.dropout(torch.ones(size), p, training)


def dropout_picture(p: float, draw: int) -> str:
    """Draw what dropout makes of ones in both modes; ``draw`` is the seed."""
    rows: list[tuple[str, list[Cell]]] = [("input", [("1", "")] * 10)]
    for name, training in (("train()", True), ("eval()", False)):
        out = _dropped(p, draw, training=training, size=10).tolist()
        rows.append((name, [(f"{v:.3g}", "blue" if v else "red") for v in out]))
    return cells(
        rows,
        title=f"nn.Dropout(p={p:g}) on ten ones",
        legend=[("kept", "blue"), ("dropped", "red")],
    )


def mean_output(p: float, draw: int, *, training: bool) -> float:
    """Give the mean of 10,000 ones after dropout.

    >>> mean_output(0.5, 0, training=False)
    1.0
    """
    return _dropped(p, draw, training=training, size=10_000).mean().item()


def noisy_predictions(count: int = 3, *, training: bool = True) -> list[float]:
    """Predict one row ``count`` times with a model that has dropout.

    >>> len(set(noisy_predictions(training=False)))
    1
    """
    model = seeded(
        lambda: nn.Sequential(nn.Linear(1, 16), nn.Dropout(0.5), nn.Linear(16, 1))
    ).train(training)
    with random_from(0), torch.no_grad():
        return [model(torch.tensor([[0.5]])).item() for _ in range(count)]
