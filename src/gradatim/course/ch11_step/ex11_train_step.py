"""A function that makes a train step."""

from typing import Any

import torch
from torch import nn

from gradatim.course.exercise import expect

TEXT = """
Write `make_train_step(model, loss_fn, optimizer)` from memory. It returns a function
`train_step(x, y)`. Each call puts the model into train mode, makes one update and
returns the loss before the update, as a plain number.
"""
STUB = """
def make_train_step(model, loss_fn, optimizer):
    def train_step(x, y):
        ...

    return train_step
"""
HINT = """
Mode, predictions, loss, `backward()`, `step()`, `zero_grad()`, and `loss.item()`.
"""
SOLUTION = """
def make_train_step(model, loss_fn, optimizer):
    def train_step(x, y):
        model.train()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return train_step
"""
PRAISE = "It trains any model with any loss and any optimizer that steps so."
MUTANTS = r"""
never zeroed: optimizer.zero_grad() =>
zeroed before the update:
  step()\n        optimizer.zero_grad => zero_grad()\n        optimizer.step
no mode: model.train() =>
the loss after the update: return loss.item() => return loss_fn(model(x), y).item()
the loss with its graph: loss.item() => loss
nothing returned: return loss.item() =>
an update while made:
  return train_step => optimizer.step()\n    return train_step
  def train => for p in model.parameters(): p.grad = p.detach().clone()\n    def train
called at once: return train_step => return train_step()
a loss of its own: loss_fn(model(x), y) => ((model(x) - y) ** 2).mean()
targets first: loss_fn(model(x), y) => loss_fn(y, model(x))
forward: model(x) => model.forward(x)
"""


def check(make_train_step: Any) -> None:
    """Compare three calls with three updates by hand."""
    x = torch.tensor([[0.0], [0.5], [1.0], [2.0]])
    y = 1 + 2 * x
    (model, optimizer), (twin, by_hand) = _parts(), _parts()
    train_step = make_train_step(model, nn.MSELoss(), optimizer)
    expect(
        callable(train_step),
        f"`make_train_step` gave {type(train_step).__name__}; a function is due.",
    )
    expect(
        all(map(torch.equal, model.parameters(), twin.parameters())),
        "The model was moved before `train_step` was called.",
    )
    _other_loss(make_train_step, x, y)
    hooks: list[int] = []
    model.register_forward_hook(lambda *_: hooks.append(1))
    for call in (1, 2, 3):
        model.eval()
        answer = train_step(x, y)
        loss = nn.functional.mse_loss(twin(x), y)
        by_hand.zero_grad()
        loss.backward()
        by_hand.step()
        expect(
            isinstance(answer, float),
            f"Call {call} returned {type(answer).__name__}; a number of Python is to "
            "come back: `.item()`.",
        )
        expect(model.training, "The model was in eval mode and stayed so.")
        expect(
            abs(answer - loss.item()) < 1e-5,
            f"Call {call} returned {answer:.4f}; the loss before that update is "
            f"{loss.item():.4f}.",
        )
        expect(
            all(map(torch.allclose, model.parameters(), twin.parameters())),
            f"After call {call} weight and bias are {_values(model)}; they should be "
            f"{_values(twin)}. Are gradients left from the call before, or lost?",
        )
    expect(len(hooks) >= 3, "A hook of the model did not run: call `model(x)`.")


def _other_loss(make: Any, x: torch.Tensor, y: torch.Tensor) -> None:
    """Give it a loss that tells predictions from targets."""

    def loss_fn(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return (predictions - 2 * targets).abs().mean()

    model, optimizer = _parts()
    expected = loss_fn(model(x), y).item()
    answer = make(model, loss_fn, optimizer)(x, y)
    expect(
        not isinstance(answer, float) or abs(answer - expected) < 1e-5,
        f"With another loss, the mean of |prediction - 2 * target|, the step returned "
        f"{answer}; {expected:.4f} is right. Call `loss_fn`, the predictions first.",
    )


def _parts() -> tuple[nn.Module, torch.optim.Optimizer]:
    model = nn.Linear(1, 1)
    nn.init.constant_(model.weight, 0.5)
    nn.init.constant_(model.bias, -0.5)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def _values(model: nn.Module) -> str:
    return ", ".join(f"{p.item():.4f}" for p in model.parameters())
