"""What a traced step leaves: nothing, or with apply=True a plain step."""

import copy
import functools

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR
from torch.testing._internal.common_optimizers import optim_db

import gradatim as gt
from gradatim.errors import (
    ConfigError,
    DataError,
    GradatimWarning,
    LossError,
    NonFiniteLossError,
    OptimizerError,
    ShapeMismatchError,
)
from tests.bits import assert_same_bits, bits_of, random_state
from tests.parity.test_optimizers import CASES, Embedded, Network
from tests.trace.models import MODELS, OPTIMIZERS, X, Y, everything, made

BOTH = [
    pytest.param(model, optimizer, id=f"{model}-{optimizer}")
    for model in MODELS
    for optimizer in OPTIMIZERS
]


# --- Nothing changes ------------------------------------------------------------------


@pytest.mark.parametrize(("model", "optimizer"), BOTH)
def test_nothing_of_the_users_changes(model, optimizer, unchecked):
    model, optimizer = made(model, optimizer)
    modes = [module.training for module in model.modules()]
    gt.make_train_step(model, nn.MSELoss(), optimizer)(X, Y)  # with state and gradients
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    model.register_forward_hook(lambda *_: None)
    StepLR(optimizer, 1)  # puts a function of its own before optimizer.step
    before, x, y = everything(model, optimizer), X.clone(), Y.clone()
    gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    assert_same_bits(before, everything(model, optimizer))
    assert torch.equal(x, X) and torch.equal(y, Y)


def test_a_change_would_be_seen():
    for change in (
        lambda m, o: m[0].weight.data.add_(1e-7),
        lambda m, o: m[1].running_mean.add_(1),
        lambda m, o: m[3].eval(),
        lambda m, o: m.zero_grad(),
        lambda m, o: m[2].register_forward_hook(print),
        lambda m, o: o.param_groups[0].update(lr=0.2),
        lambda m, o: torch.rand(1),
        lambda m, o: m[0].weight.mul_(1) if torch.set_grad_enabled(False) else None,
    ):
        model, optimizer = made("dropout and batch norm")
        gt.make_train_step(model, nn.MSELoss(), optimizer)(X, Y)
        before = everything(model, optimizer)
        with torch.enable_grad():
            change(model, optimizer)
        torch.set_grad_enabled(True)
        with pytest.raises(AssertionError):
            assert_same_bits(before, everything(model, optimizer))


@pytest.mark.parametrize(("optim_cls", "case"), CASES)
def test_every_optimizer_of_pytorch_is_copied_whole(optim_cls, case):
    """The copy makes the very update that the original makes next."""
    model = (Embedded if optim_cls is torch.optim.SparseAdam else Network)()
    optimizer = optim_cls(model.parameters(), **case.kwargs)
    step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    x, y = torch.randn(8, 3), torch.randn(8, 1)
    for _ in range(2):
        step(x, y)
    state = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(model.state_dict())
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, x, y)
    assert_same_bits(state, (optimizer.state_dict(), model.state_dict()))
    before = [p.detach().clone() for p in model.parameters()]
    loss = step(x, y)
    assert trace.loss == loss.item()
    for each, parameter, old in zip(
        trace.parameters, model.parameters(), before, strict=True
    ):
        moved = (parameter.detach() - old).double().norm().item()
        assert each.delta_norm == pytest.approx(moved, rel=1e-9)
        assert moved > 0


def test_the_list_of_optimizers_is_pytorchs():
    assert len({case.values[0] for case in CASES}) == len(
        {info.optim_cls for info in optim_db}
    )


def test_a_batch_that_the_model_changes_is_the_copys():
    class Spoils(nn.Linear):
        def forward(self, x):
            return super().forward(x.mul_(2))

    model = Spoils(4, 1)
    x = X.clone().requires_grad_()
    upstream = (x * 1).relu()  # has a graph, which stays whole
    gt.trace_step(model, nn.MSELoss(), torch.optim.SGD(model.parameters()), upstream, Y)
    assert torch.equal(upstream, x.relu()) and x.grad is None
    upstream.sum().backward()
    assert x.grad is not None


def test_a_gradient_of_an_input_stays():
    model, optimizer = made()
    x = X.clone().requires_grad_()
    x.grad = kept = torch.ones_like(x)
    gt.trace_step(model, nn.MSELoss(), optimizer, x, Y)
    assert x.grad is kept and torch.equal(kept, torch.ones_like(x))


def test_a_loss_with_parameters_stays_and_is_shown():
    class Learned(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.full((), 2.0))

        def forward(self, predictions, targets):
            return ((predictions - targets) ** 2 * self.scale).mean()

    model, loss_fn = nn.Linear(4, 1), Learned()
    optimizer = torch.optim.SGD([*model.parameters(), *loss_fn.parameters()], lr=0.1)
    trace = gt.trace_step(model, loss_fn, optimizer, X, Y)
    assert [p.name for p in trace.parameters] == ["weight", "bias", "loss_fn.scale"]
    assert trace.parameters[2].delta_norm > 0
    assert loss_fn.scale.item() == 2 and loss_fn.scale.grad is None


@pytest.mark.parametrize("apply", [False, True])
def test_an_error_in_forward_leaves_no_hook(apply, unchecked):
    class Fails(nn.Linear):
        def forward(self, x):
            torch.rand(3)
            raise RuntimeError("no forward today")

    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), Fails(4, 1)).eval()
    model[0].register_forward_hook(lambda *_: None)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = everything(model, optimizer)
    with pytest.raises(RuntimeError, match="no forward today"):
        gt.trace_step(model, nn.MSELoss(), optimizer, X, Y, apply=apply)
    after = everything(model, optimizer)
    assert_same_bits(before["hooks"], after["hooks"])
    if not apply:
        assert_same_bits(before, after)


def test_a_users_hooks_run_on_the_copy_and_see_it():
    model, optimizer = made()
    seen = []
    model.register_forward_hook(lambda module, args, output: seen.append(module))
    model.weight.register_hook(lambda grad: grad * 0)
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    assert len(seen) == 1 and seen[0] is not model
    assert trace.parameters[0].grad_norm == 0 and trace.parameters[1].grad_norm > 0


def test_a_users_hook_that_changes_the_output_is_seen():
    model, optimizer = made()
    model.register_forward_hook(lambda module, args, output: output * 0)
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    assert trace.outputs[-1].stats.zeros == 1


def test_hooks_after_accumulation_are_left_out_and_noted():
    model, optimizer = made()
    calls = []
    model.weight.register_post_accumulate_grad_hook(calls.append)
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    assert calls == [] and "1 hooks after the accumulation" in trace.notes[0]
    gt.trace_step(model, nn.MSELoss(), optimizer, X, Y, apply=True)
    assert len(calls) == 1


def test_gradients_that_nobody_clears_add_up_as_in_a_plain_step():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model[1].parameters(), lr=0.1)
    step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    step(X, Y)
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    step(X, Y)
    first = trace.parameters[0]
    assert first.status == "not in the optimizer" and first.delta_norm == 0
    assert first.grad_norm == pytest.approx(model[0].weight.grad.norm().item())


# --- apply=True -----------------------------------------------------------------------


@pytest.mark.parametrize(("model", "optimizer"), BOTH)
def test_applied_it_equals_a_plain_step(model, optimizer, unchecked):
    name, kind = model, optimizer
    ours, our_optimizer = made(name, kind)
    theirs, optimizer = made(name, kind)
    step = gt.make_train_step(theirs, nn.MSELoss(), optimizer)
    start = bits_of(ours)
    for seed in range(2):
        torch.manual_seed(seed)
        trace = gt.trace_step(ours, nn.MSELoss(), our_optimizer, X, Y, apply=True)
        left = everything(ours, our_optimizer)
        torch.manual_seed(seed)
        loss = step(X, Y)
        assert trace.loss == loss.item() and trace.applied
        wanted = everything(theirs, optimizer)
        for what in ("bits", "random", "hooks", "optimizer", "versions", "modules"):
            assert_same_bits(left[what], wanted[what], what)
    with pytest.raises(AssertionError):
        assert_same_bits(start, bits_of(ours))


@pytest.mark.parametrize(("optim_cls", "case"), CASES)
def test_applied_with_every_optimizer(optim_cls, case):
    network = Embedded if optim_cls is torch.optim.SparseAdam else Network
    ours, theirs = network(), network()
    our_optimizer = optim_cls(ours.parameters(), **case.kwargs)
    optimizer = optim_cls(theirs.parameters(), **case.kwargs)
    step = gt.make_train_step(theirs, nn.MSELoss(), optimizer)
    for _ in range(2):
        x, y = torch.randn(8, 3), torch.randn(8, 1)
        gt.trace_step(ours, nn.MSELoss(), our_optimizer, x, y, apply=True)
        step(x, y)
    assert_same_bits(ours.state_dict(), theirs.state_dict())
    assert_same_bits(our_optimizer.state_dict(), optimizer.state_dict())


@pytest.mark.parametrize(
    "options",
    [
        {"max_norm": 0.01},
        {"num_microbatches": 3},
        {"precision": "bf16"},
        {"loss_weight": lambda y: 1.0, "num_microbatches": 2},
        {"forward": lambda model, batch: (model(batch[0]), batch[1])},
    ],
    ids="+".join,
)
def test_options_go_to_the_step(options):
    runs = []
    for apply in (True, None):
        model, optimizer = made("tied", "AdamW")
        schedule = StepLR(optimizer, 1, gamma=0.5)
        options["lr_scheduler"] = schedule
        if apply:
            gt.trace_step(model, nn.MSELoss(), optimizer, X, Y, apply=True, **options)
        else:
            gt.make_train_step(model, nn.MSELoss(), optimizer, **options)(X, Y)
        runs.append((bits_of(model, optimizer), schedule.last_epoch))
    assert_same_bits(*runs)
    assert runs[0][1] == 1
    # And on a copy no scheduler is stepped.
    gt.trace_step(model, nn.MSELoss(), optimizer, X, Y, **options)
    assert schedule.last_epoch == 1


def test_the_copy_makes_the_step_that_is_then_applied(unchecked):
    model, optimizer = made("dropout and batch norm", "momentum")
    on_copy = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y).to_dict()
    applied = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y, apply=True).to_dict()
    assert (on_copy.pop("applied"), applied.pop("applied")) == (False, True)
    assert on_copy == applied  # with the same dropout


# --- What is refused ------------------------------------------------------------------


def test_what_cannot_be_copied_says_so():
    model, optimizer = made()
    model.doubled = model.weight * 2  # no leaf
    before = bits_of(model, optimizer)
    with pytest.raises(
        ConfigError, match=r"(?s)Linear.*cannot be copied: RuntimeError.*apply=True"
    ):
        gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    assert_same_bits(before, bits_of(model, optimizer))
    assert gt.trace_step(model, nn.MSELoss(), optimizer, X, Y, apply=True).applied


def test_a_loss_that_reaches_the_original_is_refused(unchecked):
    model, optimizer = made()
    model.weight.grad = torch.ones_like(model.weight)

    def with_decay(predictions, targets):
        return ((predictions - targets) ** 2).mean() + model.weight.norm()

    before = everything(model, optimizer)
    with pytest.raises(ConfigError, match=r"(?s)reached weight of.*forward=.*apply"):
        gt.trace_step(model, with_decay, optimizer, X, Y)
    assert_same_bits(before, everything(model, optimizer))
    trace = gt.trace_step(model, with_decay, optimizer, X, Y, apply=True)
    assert trace.sample_losses is None and "with_decay does not" in trace.sample_reason


def test_so_is_a_forward_that_does():
    model, optimizer = made()
    with pytest.raises(ConfigError, match="reached weight, bias of"):
        gt.trace_step(
            model,
            nn.MSELoss(),
            optimizer,
            (X, Y),
            forward=lambda _, batch: (model(batch[0]), batch[1]),
        )


@pytest.mark.parametrize("apply", [False, True])
def test_errors_are_those_of_the_step(apply):
    model, optimizer = made()
    trace = functools.partial(gt.trace_step, apply=apply)
    with pytest.raises(ShapeMismatchError, match=r"\(8, 1\), targets \(8,\)"):
        trace(model, nn.MSELoss(), optimizer, X, Y.squeeze(1))
    with pytest.raises(DataError, match="a batch has 1 parts"):
        trace(model, nn.MSELoss(), optimizer, X)
    with pytest.raises(OptimizerError, match="none of them among"):
        trace(nn.Linear(4, 1), nn.MSELoss(), optimizer, X, Y)
    with pytest.raises(ConfigError, match='reduction="none"'):
        trace(model, nn.MSELoss(reduction="none"), optimizer, X, Y)
    with pytest.raises(LossError, match="shape"):
        trace(model, lambda p, t: p - t, optimizer, X, Y)
    with pytest.raises(TypeError, match="aply"):
        trace(model, nn.MSELoss(), optimizer, X, Y, aply=True)
    assert not model._forward_hooks


# --- Losses that are not finite -------------------------------------------------------


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_nan_is_shown_on_a_copy(kind):
    model, optimizer = made("dropout and batch norm", kind)
    x = X.clone()
    x[3, 1] = torch.nan
    before = bits_of(model, optimizer)
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, x, Y)
    assert_same_bits(before, bits_of(model, optimizer))
    assert trace.skipped == "The loss is nan: no update."
    assert trace.inputs[0].stats.num_nan == 1
    assert trace.outputs[0].stats.num_nan == 6  # the row's, before batch norm
    assert all(p.delta_norm is None and p.grad_num_nan for p in trace.parameters)
    assert "The loss is nan: no update." in trace.text()


def test_applied_it_is_raised_or_skipped_as_in_a_plain_step():
    x = torch.full_like(X, torch.inf)
    model, optimizer = made()
    before = bits_of(model)[0]["state"]
    with pytest.raises(NonFiniteLossError, match="step 1"):
        gt.trace_step(model, nn.MSELoss(), optimizer, x, Y, apply=True)
    assert not model._forward_hooks
    with pytest.warns(GradatimWarning, match="is left out"):
        trace = gt.trace_step(
            model, nn.MSELoss(), optimizer, x, Y, apply=True, on_nonfinite="skip"
        )
    assert "no update" in trace.skipped
    assert_same_bits(before, bits_of(model)[0]["state"])


def test_the_fixture_unchecked_leaves_random_numbers_alone(unchecked):
    model, optimizer = made("dropout and batch norm")
    before = random_state()
    gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    assert_same_bits(before, random_state())
