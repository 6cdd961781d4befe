"""The numbers spelled out: the tutorial's, and against autograd."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import gradatim as gt
from gradatim.ladder.rung_09_model import ManualLine
from gradatim.trace.arithmetic import slopes_of, spell_out


def tutorial():
    """The tutorial's rung 9 at its start, and its 80 training points."""
    torch.manual_seed(42)
    model = ManualLine()
    (x, y), _ = gt.data.line_split(*gt.data.line())
    return model, torch.optim.SGD(model.parameters(), lr=0.1), x, y


def test_the_tutorials_first_step():
    model, optimizer, x, y = tutorial()
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, x, y)
    # The tutorial's numbers, and its formulas in float64 on its data.
    assert model.a.item() == pytest.approx(0.3367, abs=5e-5)
    assert model.b.item() == pytest.approx(0.1288, abs=5e-5)
    x, y = x.double(), y.double()
    error = y - (model.a.item() + model.b.item() * x)
    wanted = {"a": -2 * error.mean().item(), "b": -2 * (x * error).mean().item()}
    assert trace.loss == pytest.approx((error**2).mean().item(), rel=1e-5)
    assert [each.factor for each in trace.arithmetic.derivatives] == ["", "x"]
    for each in trace.arithmetic.derivatives:
        assert each.gradient == pytest.approx(wanted[each.name], rel=1e-5)
        assert each.mean == pytest.approx(wanted[each.name] / -2, rel=1e-5)
        assert each.before == getattr(model, each.name).item()
        assert each.after == pytest.approx(each.before - 0.1 * wanted[each.name])
        assert each.lr == 0.1
    assert len(trace.arithmetic.rows) == 80


def test_the_tutorials_step_in_words():
    model, optimizer, x, y = tutorial()
    text = gt.trace_step(model, nn.MSELoss(), optimizer, x, y).text()
    for line in (
        "MSE = mean(error^2) = 2.7475",
        "dyhat/da = 1",
        "dyhat/db = x",
        "dMSE/da = -2 * mean(error) = -2 * 1.5562 = -3.1125",
        "dMSE/db = -2 * mean(x * error) = -2 * 0.9078 = -1.8156",
        "a: 0.3367 - 0.1 * -3.1125 = 0.6479",
        "b: 0.1288 - 0.1 * -1.8156 = 0.3104",
    ):
        assert line in text.splitlines(), text


class Curve(nn.Module):
    """Nothing linear."""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.randn(2))
        self.b = nn.Parameter(torch.randn(()))

    def forward(self, x):
        return (self.a[0] * x).sin() * self.b + self.a[1]


SMALL = [
    lambda: nn.Linear(1, 1),
    lambda: nn.Sequential(nn.Linear(1, 2), nn.Tanh(), nn.Linear(2, 1)),
    lambda: nn.Linear(1, 3),
    lambda: nn.Linear(1, 1, bias=False),
    Curve,
]


@given(
    build=st.sampled_from(SMALL),
    seed=st.integers(0, 999),
    rows=st.integers(1, 40),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    as_function=st.booleans(),
)
def test_it_is_autograds_gradient(build, seed, rows, dtype, as_function):
    torch.manual_seed(seed)
    model = build().to(dtype)
    x = torch.randn(rows, 1, dtype=dtype)
    y = torch.randn_like(model(x))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    loss_fn = F.mse_loss if as_function else nn.MSELoss()
    trace = gt.trace_step(model, loss_fn, optimizer, x, y, apply=True)
    wanted = torch.cat([p.grad.flatten() for p in model.parameters()]).tolist()
    found = trace.arithmetic.derivatives
    assert len(found) == len(wanted)
    for each, gradient in zip(found, wanted, strict=True):
        assert each.gradient == gradient
        assert -2 * each.mean == pytest.approx(gradient, rel=1e-3, abs=1e-5)
    # And so are the columns that stand in the table.
    columns = trace.arithmetic.columns
    for row in trace.arithmetic.rows:
        cells = dict(zip(columns, row, strict=True))
        assert cells["error"] == cells["y"] - cells["yhat"]
        assert cells["error^2"] == pytest.approx(cells["error"] ** 2)


def test_columns_of_the_input_are_named():
    model = nn.Linear(3, 1)
    x = torch.randn(10, 3)
    trace = gt.trace_step(
        model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1), x, x[:, :1]
    )
    found = {each.name: each.factor for each in trace.arithmetic.derivatives}
    assert found == {
        "weight[0, 0]": "x[:, 0]",
        "weight[0, 1]": "x[:, 1]",
        "weight[0, 2]": "x[:, 2]",
        "bias": "",
    }
    assert "dMSE/d(weight[0, 2]) = -2 * mean(x[:, 2] * error)" in trace.text()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.SGD(p, lr=0.1, weight_decay=0.1),
        lambda p: torch.optim.SGD(p, lr=0.1, maximize=True),
        lambda p: torch.optim.Adam(p, lr=0.1),
        lambda p: torch.optim.LBFGS(p, lr=0.1),
    ],
)
def test_another_update_is_told_by_its_ends_alone(make):
    model, _, x, y = tutorial()
    optimizer = make(model.parameters())
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, x, y)
    start = model.a.item()
    gt.make_train_step(model, nn.MSELoss(), optimizer)(x, y)
    a = trace.arithmetic.derivatives[0]
    assert (a.before, a.after, a.lr) == (start, model.a.item(), None)
    assert f"a: {a.before:.4f} -> {a.after:.4f}" in trace.text()


def test_a_clipped_update_is_not_spelled_as_an_unclipped():
    model, optimizer, x, y = tutorial()
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, x, y, max_norm=0.1)
    assert all(each.lr is None for each in trace.arithmetic.derivatives)
    assert "shortened to max_norm = 0.1 for the update" in trace.text()
    assert trace.grad_norm > 1
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, x, y, max_norm=100.0)
    assert all(each.lr == 0.1 for each in trace.arithmetic.derivatives)
    assert "max_norm = 100 leaves it as it is" in trace.text()


def test_nor_one_that_somebody_else_has_a_hand_in():
    model, optimizer, x, y = tutorial()

    def shrink(optimizer, args, kwargs):
        with torch.no_grad():
            optimizer.param_groups[0]["params"][0].mul_(0.999)

    optimizer.register_step_post_hook(shrink)
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, x, y)
    assert [each.lr for each in trace.arithmetic.derivatives] == [None, 0.1]


def test_a_rate_a_group_is_the_groups():
    model, _, x, y = tutorial()
    groups = [{"params": [model.a], "lr": 0.1}, {"params": [model.b], "lr": 0.02}]
    trace = gt.trace_step(model, nn.MSELoss(), torch.optim.SGD(groups), x, y)
    assert [each.lr for each in trace.arithmetic.derivatives] == [0.1, 0.02]
    assert [each.lr for each in trace.parameters] == [0.1, 0.02]


def _traced(model, loss_fn=None, x=None, y=None, **options):
    x = torch.randn(6, 1) if x is None else x
    y = model(x).detach() + 1 if y is None else y
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return gt.trace_step(model, loss_fn or nn.MSELoss(), optimizer, x, y, **options)


def test_where_it_does_not_fit_it_is_left_out():
    assert _traced(nn.Linear(1, 1)).arithmetic is not None
    assert _traced(nn.Linear(1, 6)).arithmetic is None  # 12 numbers
    assert _traced(nn.Linear(1, 1), nn.L1Loss()).arithmetic is None
    assert _traced(nn.Linear(1, 1), nn.MSELoss(reduction="sum")).arithmetic is None
    assert _traced(nn.Linear(1, 1), x=torch.randn(1001, 1)).arithmetic is None
    assert _traced(nn.Linear(1, 1), num_microbatches=2).arithmetic is None
    assert _traced(nn.Linear(1, 1), precision="bf16").arithmetic is None


def test_a_gradient_that_is_changed_on_the_way_is_not_explained():
    model = nn.Linear(1, 1)
    model.weight.register_hook(lambda grad: grad * 2)
    assert _traced(model).arithmetic is None


def keep_grad(module, args, output):
    output.retain_grad()


def hook_grad(module, args, output):
    output.register_hook(CALLS.append)


CALLS = []


@pytest.mark.parametrize(
    "watch",
    [
        lambda model: model[1].register_full_backward_hook(lambda *_: CALLS.append(1)),
        lambda model: model[0].register_forward_hook(hook_grad),
        lambda model: model[0].register_forward_hook(keep_grad),
    ],
)
def test_who_looks_at_gradients_sees_them_once(watch):
    CALLS.clear()
    model = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    watch(model)
    assert _traced(model).arithmetic is None
    assert len(CALLS) <= 1


def test_an_operation_that_lies_about_its_gradient_is_not_explained():
    class Rounds(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.clone()

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, grad):
            return grad

    class Model(nn.Linear):
        def forward(self, x):
            return Rounds.apply(super().forward(x))

    trace = _traced(Model(1, 1))
    assert trace.arithmetic is None and trace.parameters[0].grad_norm > 0


def test_what_is_not_autograds_gradient_is_left_out():
    model, _, x, y = tutorial()
    predictions = model(x)
    found = slopes_of(model, nn.MSELoss(), predictions, y, [("x", x)])
    F.mse_loss(predictions, y).backward()
    before = dict(model.named_parameters())
    gradients = {name: p.grad.clone() for name, p in before.items()}

    def spelled():
        return spell_out(
            found, loss=1.0, gradients=gradients, before=before, after=None, lrs={}
        )

    assert spelled().derivatives[0].after is None
    gradients["b"] *= 1.0001
    assert spelled() is None
    gradients["b"].fill_(torch.nan)
    assert spelled() is None
