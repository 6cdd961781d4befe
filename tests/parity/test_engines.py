"""Every engine against PyTorch written by hand; a new one is found by itself."""

import importlib
import pkgutil

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import gradatim.engines
from gradatim.engines import StepParts
from gradatim.engines.eager import EagerEngine
from gradatim.errors import (
    ConfigError,
    LossError,
    NonFiniteLossError,
    ShapeMismatchError,
)
from gradatim.step import TrainStep
from tests.bits import assert_same_bits, bits_of

CLASS_WEIGHT = torch.tensor([0.5, 1.0, 2.0, 4.0])


def engines():
    """Give the class of every file in ``gradatim/engines``."""
    names = [info.name for info in pkgutil.iter_modules(gradatim.engines.__path__)]
    modules = [importlib.import_module(f"gradatim.engines.{name}") for name in names]
    return [getattr(module, name) for module in modules for name in module.__all__]


every_engine = pytest.mark.parametrize("engine", engines(), ids=lambda e: e.name)


def network(*last, seed=0):
    torch.manual_seed(seed)
    layers = nn.Linear(3, 6), nn.BatchNorm1d(6), nn.Dropout(0.3), nn.Tanh()
    return nn.Sequential(*layers, *(last or (nn.Linear(6, 4),)))


def batches(num_batches=5, rows=13):
    generator = torch.Generator().manual_seed(1)
    for _ in range(num_batches):
        x = torch.randn(rows, 3, generator=generator)
        yield x, torch.randint(4, (rows,), generator=generator)


def step_on(engine, model, loss_fn, optimizer, **options):
    class Step(TrainStep):
        _engine_type = engine

    return Step(model, loss_fn, optimizer, **options)


def assert_agrees(engine, ours, theirs):
    """Compare as closely as the engine promises: by bits where it promises equality."""
    if engine.rtol == engine.atol == 0:
        assert_same_bits(ours, theirs)
    else:
        torch.testing.assert_close(ours, theirs, rtol=engine.rtol, atol=engine.atol)


def test_eager_is_among_the_engines_and_promises_equal_bits():
    assert EagerEngine in engines()
    assert EagerEngine.rtol == EagerEngine.atol == 0
    assert len({engine.name for engine in engines()}) == len(engines())


OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01),
}


@every_engine
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_engine_trains_as_the_hand_written_loop(engine, name):
    ours, theirs = network(), network()
    loss_fn, our_optimizer = nn.CrossEntropyLoss(), OPTIMIZERS[name](ours.parameters())
    optimizer = OPTIMIZERS[name](theirs.parameters())
    train_step = step_on(engine, ours, loss_fn, our_optimizer)
    torch.manual_seed(2)  # dropout draws the same
    our_losses = [train_step(x, y) for x, y in batches()]
    torch.manual_seed(2)
    losses = []
    for x, y in batches():
        optimizer.zero_grad()
        loss = loss_fn(theirs(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    assert_agrees(engine, our_losses, losses)
    assert_agrees(engine, bits_of(ours, our_optimizer), bits_of(theirs, optimizer))
    assert not any(loss.requires_grad or loss.dim() for loss in our_losses)


@every_engine
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_microbatches_are_those_written_by_hand(engine, reduction):
    ours, theirs = network(), network()
    loss_fn = nn.CrossEntropyLoss(CLASS_WEIGHT, ignore_index=1, reduction=reduction)
    our_optimizer = torch.optim.SGD(ours.parameters(), lr=0.1)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
    train_step = step_on(engine, ours, loss_fn, our_optimizer, num_microbatches=3)
    torch.manual_seed(2)
    our_losses = [train_step(x, y) for x, y in batches()]
    torch.manual_seed(2)
    losses = []
    for x, y in batches():
        optimizer.zero_grad()
        parts = list(zip(x.split([5, 4, 4]), y.split([5, 4, 4]), strict=True))
        weights = [float(CLASS_WEIGHT[t[t != 1]].sum()) for _, t in parts]
        total = torch.zeros(())
        for (part, targets), weight in zip(parts, weights, strict=True):
            loss = loss_fn(theirs(part), targets)
            if reduction == "mean":
                loss = loss * (weight / sum(weights))
            loss.backward()
            total = total + loss.detach()
        optimizer.step()
        losses.append(total)
    assert_agrees(engine, our_losses, losses)
    assert_agrees(engine, bits_of(ours, our_optimizer), bits_of(theirs, optimizer))


@every_engine
def test_bfloat16_runs_under_autocast_as_by_hand(engine):
    ours, theirs = network(), network()
    our_optimizer = torch.optim.SGD(ours.parameters(), lr=0.1)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
    loss_fn = nn.CrossEntropyLoss()
    train_step = step_on(engine, ours, loss_fn, our_optimizer, precision="bf16")
    torch.manual_seed(2)
    our_losses = [train_step(x, y) for x, y in batches()]
    torch.manual_seed(2)
    losses = []
    for x, y in batches():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_fn(theirs(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    assert_agrees(engine, our_losses, losses)
    assert_agrees(engine, bits_of(ours), bits_of(theirs))
    assert {p.dtype for p in ours.parameters()} == {torch.float32}


@every_engine
def test_an_optimizer_that_asks_for_the_loss_itself_gets_it(engine):
    ours, theirs = nn.Linear(3, 1), nn.Linear(3, 1)
    theirs.load_state_dict(ours.state_dict())
    our_optimizer = torch.optim.LBFGS(ours.parameters(), lr=0.5, max_iter=3)
    optimizer = torch.optim.LBFGS(theirs.parameters(), lr=0.5, max_iter=3)
    train_step = step_on(engine, ours, nn.MSELoss(), our_optimizer)
    for x, _ in batches():
        y = x.sum(1, keepdim=True)

        def closure(x=x, y=y):
            optimizer.zero_grad()
            loss = F.mse_loss(theirs(x), y)
            loss.backward()
            return loss

        assert_agrees(engine, train_step(x, y), optimizer.step(closure).detach())
    assert_agrees(engine, bits_of(ours, our_optimizer), bits_of(theirs, optimizer))


@every_engine
def test_batches_of_any_shape_go_through_the_users_forward(engine):
    ours, theirs = network(), network()
    our_optimizer = torch.optim.SGD(ours.parameters(), lr=0.1)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1)
    train_step = step_on(
        engine,
        ours,
        nn.CrossEntropyLoss(),
        our_optimizer,
        forward=lambda model, batch: (model(batch["x"] * 2), batch["label"]),
    )
    torch.manual_seed(2)
    for x, y in batches():
        train_step({"x": x, "label": y})
    torch.manual_seed(2)
    for x, y in batches():
        optimizer.zero_grad()
        F.cross_entropy(theirs(x * 2), y).backward()
        optimizer.step()
    assert_agrees(engine, bits_of(ours), bits_of(theirs))


@every_engine
def test_nan_is_left_to_the_step_which_makes_no_update(engine):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_step = step_on(engine, model, nn.CrossEntropyLoss(), optimizer)
    weights = [p.detach().clone() for p in model.parameters()]
    with pytest.raises(NonFiniteLossError, match="at step 1"):
        train_step(torch.full((4, 3), float("nan")), torch.zeros(4, dtype=torch.int64))
    assert_same_bits(weights, [p.detach() for p in model.parameters()])


@every_engine
def test_what_a_loss_cannot_take_is_named(engine):
    model = network(nn.Linear(6, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    train_step = step_on(engine, model, nn.MSELoss(), optimizer)
    with pytest.raises(ShapeMismatchError, match=r"\(4, 1\), targets \(4,\)"):
        train_step(torch.zeros(4, 3), torch.zeros(4))
    train_step = step_on(engine, model, lambda p, t: (p - t).detach().mean(), optimizer)
    with pytest.raises(LossError, match="no parameter that requires a gradient"):
        train_step(torch.zeros(4, 3), torch.zeros(4, 1))


class Refusing(EagerEngine):
    """Names two things that it cannot run."""

    name = "refusing"

    @classmethod
    def why_not(cls, parts: StepParts) -> list[str]:
        return ["Dropout", "num_microbatches=2"]


class Doubling(EagerEngine):
    """Promises equal bits, and has other gradients."""

    name = "doubling"

    def update(self, closure=None):
        for parameter in self.model.parameters():
            parameter.grad *= 2
        super().update(closure)


def test_what_an_engine_cannot_run_is_named_before_training():
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(
        ConfigError, match=r"refusing engine cannot run Dropout, num_microbatches=2"
    ):
        step_on(Refusing, model, nn.CrossEntropyLoss(), optimizer)


def test_the_comparison_sees_another_update():
    with pytest.raises(AssertionError):
        test_an_engine_trains_as_the_hand_written_loop(Doubling, "SGD")
