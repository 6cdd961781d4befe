"""What observers of optimizers, schedules and graphs note."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    SequentialLR,
    StepLR,
)

from gradatim.watching.identities import identity_of
from gradatim.watching.initial_weights import constant_matrices
from gradatim.watching.schedulers import options_of
from tests.watching.loops import line_with, train, watched

X, Y = torch.randn(4, 2), torch.randn(4, 1)


def test_an_optimizer_is_noted_where_it_is_made():
    model = nn.Linear(2, 1)
    with watched() as watcher:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)  # made
        train(model, X, Y, optimizer=optimizer)
    (record,) = watcher.seen.optimizers
    assert (record.kind, record.num_steps) == ("SGD", 3)
    assert record.line.number == line_with("made", __file__)
    assert record.options[0]["lr"] == 0.5
    assert record.parameters == [identity_of(p) for p in model.parameters()]
    assert record.never == set()


def test_an_update_has_its_gradients_and_moves():
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(2.0)
    with watched() as watcher:
        model(torch.ones(1, 1)).mul(3.0).sum().backward()
        torch.optim.SGD(model.parameters(), lr=0.5).step()
    (step,) = watcher.seen.steps
    assert (step.step, step.optimizer, step.num_backwards) == (0, 0, 1)
    assert step.loss == 6.0 and step.lrs == (0.5,) and not step.closure
    assert step.gradients.norm == 3.0 and step.gradients.norms == {"weight": 3.0}
    assert step.gradients.missing == step.gradients.zero == ()
    assert step.weights.updates == {"weight": (1.5, 2.0)}


def test_missing_and_zero_gradients_are_named():
    model = nn.Linear(2, 1)
    other = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([*model.parameters(), other], lr=0.1)
    with watched() as watcher:
        (0 * model(X)).sum().backward()
        optimizer.step()
    (step,) = watcher.seen.steps
    assert step.gradients.zero == ("weight", "bias")
    assert step.gradients.missing == ("parameter 2",)
    assert watcher.seen.optimizers[0].never == {identity_of(other)}


def test_gradients_cleared_too_early_and_stale_ones():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watched() as watcher:
        F.mse_loss(model(X), Y).backward()
        optimizer.zero_grad()
        optimizer.step()
        F.mse_loss(model(X), Y).backward()
        optimizer.step()
        F.mse_loss(model(X), Y).backward()
        optimizer.step()
    first, second, third = (step.gradients for step in watcher.seen.steps)
    assert first.cleared_after_backward and not second.cleared_after_backward
    assert not second.stale and third.stale > 0  # never cleared in between
    assert watcher.seen.zeroings.count == 1


def test_accumulated_backwards_are_counted():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watched() as watcher:
        for _ in range(3):
            F.mse_loss(model(X), Y).backward()
        optimizer.step()
        optimizer.step()
    assert [step.num_backwards for step in watcher.seen.steps] == [3, 0]


def test_a_closure_is_told():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=1)

    def closure():
        optimizer.zero_grad()
        loss = F.mse_loss(model(X), Y)
        loss.backward()
        return loss

    with watched() as watcher:
        optimizer.step(closure)
    assert [step.closure for step in watcher.seen.steps] == [True]


def test_matrices_of_one_number_and_their_equal_rows():
    constant = nn.Parameter(torch.full((3, 2), 0.5))
    drawn, bias = nn.Parameter(torch.randn(3, 2)), nn.Parameter(torch.zeros(3))
    constant.grad = torch.tensor([1.0, 2.0]).repeat(3, 1)
    names = {identity_of(constant): "constant", identity_of(drawn): "drawn"}
    count, (matrix,) = constant_matrices([constant, drawn, bias], names)
    assert count == 2
    assert (matrix.name, matrix.shape, matrix.value) == ("constant", (3, 2), 0.5)
    assert matrix.is_same
    constant.grad = torch.randn(3, 2)
    assert not constant_matrices([constant], names)[1][0].is_same


def test_constant_matrices_are_looked_at_once():
    model = nn.Linear(2, 2)
    nn.init.zeros_(model.weight)
    with watched() as watcher:
        train(model, X, torch.randn(4, 2))
    first, second, _ = (step.weights for step in watcher.seen.steps)
    assert first.num_matrices == 1 and first.constant[0].name == "weight"
    assert second.num_matrices is None and second.constant == ()


@pytest.mark.parametrize("keeps", [True, False])
def test_graphs_that_are_kept_are_counted(keeps):
    model, kept = nn.Linear(2, 1), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with watched() as watcher:
        for _ in range(20):
            loss = F.mse_loss(model(X), Y)
            loss.backward()
            optimizer.step()
            if keeps:
                kept.append(loss)
    ((num_updates, num_alive),) = watcher.seen.graphs_kept
    # The last graph is alive; another one may be, in a frame of a checked function.
    assert num_updates == 20
    assert num_alive == 20 if keeps else num_alive in (1, 2)


def test_a_schedule_is_noted_with_its_steps():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watched() as watcher:
        scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
        train(model, X, Y, optimizer=optimizer, num_steps=2)
        scheduler.step()  # stepped
    (record,) = watcher.seen.schedulers
    assert (record.kind, record.optimizer, record.is_inner) == ("StepLR", 0, False)
    assert record.options["step_size"] == 2 and record.options["gamma"] == 0.5
    assert [num_updates for _, num_updates in record.steps] == [2]
    assert record.step_line.number == line_with("stepped", __file__)


def test_a_schedule_in_another_is_inner_and_steps_with_it():
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    with watched() as watcher:
        inner = [LinearLR(optimizer), CosineAnnealingLR(optimizer, T_max=30)]
        outer = SequentialLR(optimizer, inner, milestones=[10])
        optimizer.step()
        outer.step()
    assert [r.is_inner for r in watcher.seen.schedulers] == [True, True, False]
    assert [r.steps.count for r in watcher.seen.schedulers] == [0, 0, 1]
    assert watcher.seen.schedulers[2].options["total_steps"] == 40


def test_a_lambda_tells_its_argument_and_its_numbers():
    total, warmup = 100, 10
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    scheduler = LambdaLR(optimizer, lambda epoch: min(1, epoch / warmup) * total)
    options = options_of(scheduler)
    assert options["argument"] == "epoch"
    assert options["counted"] == {"warmup": 10, "total": 100}


def test_updates_that_nobody_watched_are_counted():
    model = nn.Linear(2, 1)
    with watched() as watcher:
        train(model, X, Y)
        watcher.skip(10)
        train(model, X, Y, num_steps=1)
    assert watcher.seen.num_steps == 14 and watcher.position.num_updates == 14
    assert watcher.seen.optimizers[0].num_steps == 13
    assert [step.step for step in watcher.seen.steps] == [0, 1, 2, 13]
    assert math.isfinite(list(watcher.seen.steps)[-1].loss)
