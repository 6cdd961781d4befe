"""Before training: each check can be failed, sound models pass all, nothing changes."""

import copy
import math

import pytest
import torch
from torch import nn

import gradatim as gt
from tests.bits import assert_same_bits


def rows(num=24, features=6):
    return torch.randn(num, features)


def classes(x, num=3):
    return x[:, :num].argmax(dim=1)


def checked(model, x, y, *, loss_fn=None, lr=0.05, **options):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    return gt.check(model, loss_fn or nn.CrossEntropyLoss(), optimizer, x, y, **options)


def codes(checkup):
    return [finding.code for finding in checkup.findings]


def mlp(out=3):
    return nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, out))


class Mixed(nn.Module):
    """A view where a transpose is meant."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(6, 3)

    def forward(self, x):
        return self.out(x.t().reshape(len(x), -1))


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.forgotten = nn.Linear(6, 3), nn.Linear(6, 3)

    def forward(self, x):
        return self.used(x)


def test_sound_models_pass():
    x = rows()
    checkup = checked(mlp(), x, classes(x))
    assert codes(checkup) == []
    assert checkup.chance == pytest.approx(math.log(3))
    assert min(checkup.losses) < 0.5 * checkup.losses[0]
    y = x[:, :1] - x[:, 1:2]
    assert codes(checked(mlp(1), x, y, loss_fn=nn.MSELoss())) == []


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 3)),
        nn.Sequential(nn.Dropout(0.3), nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3)),
        nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 3)),
    ],
    ids=["batch norm", "dropout", "layer norm"],
)
def test_layers_that_join_rows_in_training_alone_are_no_leak(model):
    x = rows()
    assert "GT001" not in codes(checked(model, x, classes(x)))


def test_mixed_rows_are_found():
    x = rows(6)
    checkup = checked(Mixed(), x, classes(x))
    assert "GT001" in codes(checkup)
    (leak,) = [finding for finding in checkup.findings if finding.code == "GT001"]
    assert leak.verdict.startswith("The output of row 0 depends on the input of row ")


def test_batch_second_of_an_rnn_is_found():
    rnn = nn.LSTM(4, 8)  # batch_first is forgotten

    class Last(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn, self.out = rnn, nn.Linear(8, 3)

        def forward(self, x):
            return self.out(self.rnn(x)[0][:, -1])

    x = torch.randn(10, 5, 4)
    y = torch.randint(3, (10,))
    assert "GT001" in codes(checked(Last(), x, y))
    rnn.batch_first = True
    assert "GT001" not in codes(checked(Last(), x, y))


def test_parameters_without_a_gradient_are_named():
    x = rows()
    checkup = checked(Unused(), x, classes(x))
    assert codes(checkup) == ["GT003"]
    assert "forgotten.weight, forgotten.bias" in checkup.findings[0].verdict


def test_first_loss_far_from_chance_is_found():
    x = 100 * rows()
    checkup = checked(mlp(), x, classes(x).roll(1))
    assert "GT002" in codes(checkup)


@pytest.mark.parametrize(("lr", "cure"), [(1e-7, "larger"), (1e4, "smaller")])
def test_a_rate_that_learns_nothing_is_found(lr, cure):
    x = rows()
    model = mlp(1)
    y = x[:, :1]
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    checkup = gt.check(model, nn.MSELoss(), optimizer, x, y)
    assert codes(checkup) == ["GT004"]
    assert f"a {cure} learning rate" in checkup.findings[0].cure


def test_nothing_changes():
    x = rows()
    model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(), mlp_tail())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model.eval()
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    generator = torch.get_rng_state()
    gt.check(model, nn.CrossEntropyLoss(), optimizer, x, classes(x))
    assert_same_bits((model.state_dict(), optimizer.state_dict()), before)
    assert torch.equal(torch.get_rng_state(), generator)
    assert not any(module.training for module in model.modules())
    assert all(p.grad is None for p in model.parameters()) and not x.requires_grad


def mlp_tail():
    return nn.Linear(8, 3)


def test_lbfgs_and_a_forward_of_ones_own():
    x = rows()
    y = x[:, :1]
    model = nn.Linear(6, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5)
    assert codes(gt.check(model, nn.MSELoss(), optimizer, x, y)) == []
    batch = {"x": x, "y": y}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    checkup = gt.check(
        model,
        nn.MSELoss(),
        optimizer,
        batch,
        forward=lambda model, batch: (model(batch["x"]), batch["y"]),
    )
    assert codes(checkup) == []


def test_it_prints_what_it_found():
    x = rows()
    lines = str(checked(Unused(), x, classes(x))).splitlines()
    assert lines[0].startswith("one batch alone: loss ")
    assert lines[1] == "by chance it would be 1.099"
    assert lines[2].startswith("GT003 warning: 2 parameters get no gradient")
