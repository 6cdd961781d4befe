"""Orders are noted without a draw, and labels that went their own way are found."""

import random

import numpy as np
import pytest
import torch
from torch import nn

import gradatim
from gradatim.watching.row_codes import codes_of

N = 60


def draws():
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    array, numbers = np.arange(2 * N).reshape(N, 2), list(range(N))
    found = [torch.randperm(N).tolist(), np.random.permutation(N).tolist()]
    found += [np.random.permutation(array).tolist()]
    found += [np.random.choice(N, size=N, replace=False).tolist()]
    found += [np.random.choice(np.arange(3), 5).tolist()]
    np.random.shuffle(array)
    random.shuffle(numbers)
    found += [array.tolist(), numbers]
    return [*found, random.random(), np.random.rand(), torch.rand(()).item()]


def test_draws_are_the_same_under_watch(unchecked):
    alone = draws()
    with gradatim.watch() as diagnosis:
        watched = draws()
    assert watched == alone
    noted = [
        (each.generator, each.num_rows) for each in diagnosis.seen.row_orders.drawn
    ]
    assert noted == [("torch", N), *[("numpy", N)] * 4, ("random", N)]


def test_functions_are_put_back():
    before = torch.randperm, np.random.shuffle, np.random.choice, random.shuffle
    with gradatim.watch():
        assert torch.randperm is not before[0]
    assert before == (
        torch.randperm,
        np.random.shuffle,
        np.random.choice,
        random.shuffle,
    )


@pytest.mark.parametrize("kind", [torch.float64, torch.int64, torch.uint8])
def test_rows_have_one_code_in_any_form(kind):
    whole = torch.randint(0, 200, (30, 4, 3)).to(kind)
    codes = codes_of(whole.float())
    for other in (whole, whole.numpy(), whole.flatten(1), list(whole), whole.tolist()):
        assert torch.equal(codes_of(other), codes)
    assert len(codes.unique()) == 30
    assert codes_of(whole, 29) is None and codes_of("no rows") is None


def trained(x, y, rows=20):
    model = nn.Linear(x.shape[1], 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for start in range(0, len(x), rows):
        loss = nn.functional.mse_loss(model(x[start : start + rows]), y[start:][:rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def shuffled_apart(x, y):
    x = x[torch.randperm(N)]
    y = y[torch.randperm(N)]
    trained(x, y)


def shuffled_together(x, y):
    order = torch.randperm(N)
    x, y = x[order], y[order]
    torch.randperm(N)
    trained(x, y)


def labels_at_random(x, y):
    y = y[torch.randperm(N)]
    order = torch.randperm(N)
    trained(x[order], y[order])


@pytest.mark.parametrize(
    ("program", "is_apart"),
    [(shuffled_apart, True), (shuffled_together, False), (labels_at_random, False)],
)
def test_only_two_orders_are_told(program, is_apart):
    with gradatim.watch() as diagnosis:
        program(torch.randn(N, 3), torch.randn(N, 1))
    apart = diagnosis.seen.row_orders.labels_apart
    assert (apart is not None) is is_apart
    if apart is not None:
        assert (apart.features, apart.labels, apart.num_rows) == ("x", "y", N)
        assert apart.num_looked_at == N and apart.num_apart > N - 10
