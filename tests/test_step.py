import copy
import math
import pickle
from functools import partial

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR

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
from gradatim.modules import evaluating
from gradatim.precision import autocast
from tests.bits import assert_same_bits, bits_of, random_state


def linear(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(2, 1)


def step_of(model, loss_fn=None, *, optimizer=None, **options):
    optimizer = optimizer or torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return gt.make_train_step(model, loss_fn or nn.MSELoss(), optimizer, **options)


X, Y = torch.arange(8.0).view(4, 2) / 8, torch.ones(4, 1)


# --- What is refused ------------------------------------------------------------------


def test_shapes_that_broadcast_are_refused_before_the_update():
    model = linear()
    before = bits_of(model)
    with pytest.raises(ShapeMismatchError, match=r"\(4, 1\), targets \(4,\)"):
        step_of(model)(X, torch.ones(4))
    assert_same_bits(before, bits_of(model))


def test_check_shapes_false_trains_as_pytorch_does():
    model = linear()
    with pytest.warns(UserWarning, match="target size"):  # PyTorch's own
        step_of(model, check_shapes=False)(X, torch.ones(4))


def test_an_unknown_loss_warns_once_a_step_object():
    step = step_of(linear(), lambda p, t: ((p - t) ** 2).mean())
    with pytest.warns(GradatimWarning, match=r"broadcast to \(4, 4\)"):
        step(X, torch.ones(4))
    step(X, torch.ones(4))


@pytest.mark.parametrize(
    "loss_fn, message",
    [
        (lambda p, t: (p - t).squeeze(1), r"shape \(4,\)(.|\n)*loss\.mean\(\)"),
        (lambda p, t: (p - t).mean().item(), r"a float(.|\n)*\.item\(\)"),
        (lambda p, t: (p - t).mean().detach(), r"no parameter(.|\n)*\.detach\(\)"),
    ],
)
def test_a_loss_that_backward_cannot_start_from_is_refused(unchecked, loss_fn, message):
    with pytest.raises(LossError, match=message):
        step_of(linear(), loss_fn)(X, Y)


def test_an_optimizer_of_another_model_is_refused():
    foreign = torch.optim.SGD(linear().parameters(), lr=0.1)
    with pytest.raises(OptimizerError, match=r"2 parameters, none .* 2 of Linear"):
        step_of(linear(), optimizer=foreign)


def test_an_optimizer_of_the_losss_parameters_is_accepted():
    class Learned(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, predictions, targets):
            return ((predictions - targets) ** 2 * self.scale).mean()

    loss_fn = Learned()
    step = step_of(linear(), loss_fn, optimizer=torch.optim.SGD(loss_fn.parameters()))
    step(X, Y)
    assert loss_fn.scale != 1


def test_a_scheduler_of_another_optimizer_is_refused():
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(OptimizerError, match="made for another SGD"):
        step_of(model, lr_scheduler=StepLR(optimizer, 1))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"max_norm": 0.0}, r"max_norm must be positive, got 0\.0"),
        ({"max_norm": math.nan}, "max_norm must be positive, got nan"),
        ({"num_microbatches": 0}, "num_microbatches must be 1 or more, got 0"),
        ({"precision": "fp8"}, r"\('float32', 'bf16', 'fp16'\), got 'fp8'"),
        ({"on_nonfinite": "stop"}, r"\('raise', 'skip'\), got 'stop'"),
    ],
)
def test_options_out_of_range_are_refused(unchecked, options, message):
    with pytest.raises(ConfigError, match=message):
        step_of(linear(), **options)


def test_reduction_none_is_refused_before_anything_runs():
    with pytest.raises(ConfigError, match='reduction="none"'):
        step_of(linear(), nn.MSELoss(reduction="none"))


def test_microbatches_of_an_unknown_weight_are_refused():
    with pytest.raises(ConfigError, match="loss_weight=lambda batch"):
        step_of(
            nn.Linear(2, 3),
            nn.CrossEntropyLoss(),
            forward=lambda model, batch: (model(batch["x"]), batch["y"]),
            num_microbatches=2,
        )


def test_lbfgs_cannot_skip():
    model = linear()
    with pytest.raises(ConfigError, match=r'LBFGS(.|\n)*on_nonfinite="raise"'):
        step_of(
            model,
            optimizer=torch.optim.LBFGS(model.parameters()),
            on_nonfinite="skip",
        )


def test_a_batch_that_is_no_pair_is_refused():
    with pytest.raises(DataError, match=r"3 parts \(Tensor, Tensor, Tensor\)"):
        step_of(linear())(X, X, Y)


# --- NaN ------------------------------------------------------------------------------

NAN = torch.full((4, 1), math.nan)
INF = torch.full((4, 1), math.inf)


@pytest.mark.parametrize("bad", [NAN, INF])
@pytest.mark.parametrize("num_microbatches", [1, 2])
def test_a_nonfinite_loss_is_named_with_its_step_and_harms_no_weight(
    bad, num_microbatches
):
    model = linear()
    step = step_of(model, num_microbatches=num_microbatches)
    step(X, Y)
    before = bits_of(model, step.optimizer)
    message = r"the loss is (nan|inf) at step 2\.\n(.|\n)*are those of before the step"
    with pytest.raises(NonFiniteLossError, match=message):
        step(X, bad)
    after = bits_of(model, step.optimizer)
    assert_same_bits([b["state"] for b in before], [a["state"] for a in after])


def test_a_finite_loss_with_a_nan_gradient_is_told_from_bad_data():
    model = linear()
    step = step_of(model, lambda p, t: (p - p).sqrt().sum() + p.sum() * 0)
    step(X, Y)  # sqrt(0) is 0, its slope infinite, and inf - inf is NaN
    with pytest.raises(NonFiniteLossError, match=r"step 2(.|\n)*before it already"):
        step(X, Y)


@pytest.mark.parametrize("bad", [NAN, INF])
def test_skip_leaves_the_update_out_and_counts_it(bad):
    model = nn.Sequential(nn.BatchNorm1d(2), linear())
    optimizer = torch.optim.Adam(model.parameters())
    schedule = StepLR(optimizer, step_size=1, gamma=0.5)
    step = step_of(
        model, optimizer=optimizer, lr_scheduler=schedule, on_nonfinite="skip"
    )
    step(X, Y)
    before = copy.deepcopy(step.state_dict())
    with pytest.warns(GradatimWarning, match="at step 2; this update(.|\n)*num_skip"):
        assert not step(X, bad).isfinite()
    step(X, bad)  # told once
    step(X * math.nan, Y)  # batch norm would keep this NaN in its running mean
    assert (step.num_steps, step.num_skipped) == (4, 3)
    for key in ("model", "optimizer", "lr_scheduler"):
        assert_same_bits(step.state_dict()[key], before[key], key)
    step(X, Y)
    assert not torch.equal(model[1].weight, before["model"]["1.weight"])


class Elsewhere(torch.Tensor):
    """A tensor that says it is on a device, as there is none here."""

    is_cpu = False


def mse_elsewhere(predictions, targets):
    return ((predictions - targets) ** 2).mean().as_subclass(Elsewhere)


def test_on_a_device_nan_is_noticed_later_and_its_step_is_named():
    step = step_of(linear(), mse_elsewhere)
    for number in range(1, 64):
        step(X, NAN if number == 7 else Y)
    with pytest.raises(NonFiniteLossError, match=r"at step 7 \(noticed after step 64"):
        step(X, Y)
    with pytest.raises(NonFiniteLossError, match=r"at step 65 \(noticed after step 66"):
        step(X, Y)  # of NaN weights
        step(X, Y)
        step.flush()


def test_flush_notices_what_no_window_has_brought():
    step = step_of(linear(), mse_elsewhere)
    step(X, Y)
    step.flush()
    step(X, INF)
    with pytest.raises(NonFiniteLossError, match="the loss is inf at step 2"):
        step.flush()
    step.flush()


def test_on_a_device_skip_waits_and_leaves_the_update_out():
    model = linear()
    step = step_of(model, mse_elsewhere, on_nonfinite="skip")
    step(X, Y)
    before = bits_of(model)
    with pytest.warns(GradatimWarning, match="at step 2"):
        step(X, NAN)
    assert_same_bits(before[0]["state"], bits_of(model)[0]["state"])


def test_losses_are_collected_with_what_their_batches_weigh():
    seen = []

    def collect(loss, weight):
        assert type(loss) is type(weight) is float
        seen.append((loss, weight))

    train_step = step_of(linear(), on_nonfinite="skip")
    losses = [train_step(X, Y, collect=collect), train_step(X[:3], Y[:3])]
    with pytest.warns(GradatimWarning, match="left out"):
        train_step(X * math.nan, Y, collect=collect)
    losses.append(train_step(X[:1], Y[:1], collect=collect))
    assert seen == [(losses[0].item(), 4.0), (losses[2].item(), 1.0)]


def test_on_a_device_losses_are_collected_at_the_latest_by_flush():
    seen = []
    train_step = step_of(linear(), mse_elsewhere)
    loss = train_step(X, Y, collect=lambda *pair: seen.append(pair))
    train_step(X, Y)
    assert seen == []
    train_step.flush()
    assert seen == [(loss.item(), 4)]


def test_lbfgs_names_the_step_however_often_it_asks():
    model = linear()
    step = step_of(model, optimizer=torch.optim.LBFGS(model.parameters()))
    step(X, Y)
    with pytest.raises(NonFiniteLossError, match="at step 2"):
        step(X, NAN)
    model = linear()
    far = step_of(model, mse_elsewhere, optimizer=torch.optim.LBFGS(model.parameters()))
    far(X, Y)
    far(X, NAN)
    with pytest.raises(NonFiniteLossError, match="at step 2"):
        far.flush()


# --- What goes in and comes out -------------------------------------------------------


def test_the_loss_is_a_detached_number_and_the_mode_is_train():
    model = linear().eval()
    loss = step_of(model)(X, Y)
    assert loss.shape == () and not loss.requires_grad and model.training


def test_layers_set_to_eval_inside_a_training_model_stay_so():
    model = nn.Sequential(nn.BatchNorm1d(2).eval(), linear())
    step_of(model)(X, Y)
    assert [m.training for m in model.modules()] == [True, False, True]


def test_forward_takes_dicts_and_several_inputs():
    model = nn.Bilinear(2, 2, 1)
    step = step_of(model, forward=lambda model, b: (model(b["a"], b["b"]), b["y"]))
    by_dict = step({"a": X, "b": X, "y": Y})
    model.load_state_dict(nn.Bilinear(2, 2, 1).state_dict())
    several = step_of(model, forward=lambda model, b: (model(b[0], b[1]), b[2]))
    assert several(X, X, Y).shape == by_dict.shape == ()


def test_a_model_of_mean_and_variance_trains_with_gaussian_nll():
    class MeanAndVariance(nn.Module):
        def __init__(self):
            super().__init__()
            self.both = nn.Linear(2, 2)

        def forward(self, x):
            mean, log_variance = self.both(x).split(1, dim=1)
            return mean, log_variance.exp()

    model = MeanAndVariance()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    loss_fn = nn.GaussianNLLLoss()
    step = step_of(model, loss_fn, optimizer=optimizer, num_microbatches=2)
    losses = [step(X, Y).item() for _ in range(30)]
    assert losses[-1] < losses[0] - 0.5


def test_state_goes_through_a_copy_and_on_with_the_same_bits():
    ours, theirs = linear(), linear(seed=1)
    steps = []
    for model in (ours, theirs):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
        schedule = StepLR(optimizer, step_size=2)
        steps.append(step_of(model, optimizer=optimizer, lr_scheduler=schedule))
    for _ in range(3):
        steps[0](X, Y)
    steps[1].load_state_dict(copy.deepcopy(steps[0].state_dict()))
    for step in steps:
        step(X, Y)
    assert_same_bits(steps[0].state_dict(), steps[1].state_dict())
    assert steps[1].num_steps == 4


# --- Looking without learning ---------------------------------------------------------


def mixed_modes():
    return nn.Sequential(
        nn.BatchNorm1d(2), nn.Dropout().eval(), nn.Sequential(nn.Dropout(), linear())
    )


def test_val_step_changes_no_weight_buffer_mode_or_random_state(unchecked):
    model = mixed_modes()
    before, random_before = bits_of(model), random_state()
    loss = gt.make_val_step(model, nn.MSELoss())(X, Y)
    assert not loss.requires_grad
    assert_same_bits(before, bits_of(model))
    assert_same_bits(random_before, random_state())
    model.eval()
    assert torch.equal(loss, nn.MSELoss()(model(X), Y).detach())


def test_val_step_takes_forward_and_checks_shapes():
    by_dict = gt.make_val_step(
        linear(), nn.MSELoss(), forward=lambda model, b: (model(b["x"]), b["y"])
    )
    assert torch.equal(
        by_dict({"x": X, "y": Y}), gt.make_val_step(linear(), nn.MSELoss())(X, Y)
    )
    with pytest.raises(ShapeMismatchError, match="targets"):
        gt.make_val_step(linear(), nn.MSELoss())(X, torch.ones(4))


def test_evaluating_puts_modes_back_after_an_error():
    model = mixed_modes()
    before = bits_of(model)
    with pytest.raises(KeyError), evaluating(model):
        assert not torch.is_grad_enabled() and not any(
            module.training for module in model.modules()
        )
        raise KeyError
    assert_same_bits(before, bits_of(model))
    assert torch.is_grad_enabled()


def test_no_autocast_of_ours_leaves_the_users_alone():
    with torch.autocast("cpu", torch.bfloat16), autocast(linear(), None):
        assert torch.is_autocast_enabled("cpu")
    with autocast(nn.Linear(1, 1, device="meta"), None):
        pass


def test_a_partial_of_a_module_counts_as_its_loss():
    step = step_of(linear(), partial(nn.MSELoss(reduction="sum")), num_microbatches=2)
    assert step(X, Y) == pytest.approx(4 * step_of(linear())(X, Y).item(), rel=1e-6)


def test_a_snapshot_stays_as_it_is_when_training_goes_on_from_it():
    model = nn.Linear(2, 1)
    train_step = gt.make_train_step(
        model, nn.MSELoss(), torch.optim.Adam(model.parameters())
    )
    x, y = torch.ones(4, 2), torch.ones(4, 1)
    train_step(x, y)
    snapshot = copy.deepcopy(train_step.state_dict())
    kept = copy.deepcopy(snapshot)
    train_step.load_state_dict(snapshot)
    train_step(x, y)
    assert_same_bits(snapshot, kept)


@pytest.mark.parametrize("saved_with", [True, False])
def test_a_scheduler_is_not_lost_in_silence(saved_with):
    def make(with_scheduler):
        model = nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        scheduler = StepLR(optimizer, 1)
        options = {"lr_scheduler": scheduler} if with_scheduler else {}
        return gt.make_train_step(model, nn.MSELoss(), optimizer, **options)

    state = make(saved_with).state_dict()
    with pytest.raises(ConfigError, match=r"scheduler, .* has none"):
        make(not saved_with).load_state_dict(state)


# --- A step as an object --------------------------------------------------------------


def test_another_optimizer_moves_the_weights_from_then_on():
    model = linear()
    train_step = step_of(model)
    train_step.optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    before = model.weight.clone()
    train_step(X, Y)
    assert torch.equal(model.weight, before)


def test_a_step_without_its_check_can_be_pickled():
    train_step = step_of(linear(), check_shapes=False)
    copied = pickle.loads(pickle.dumps(train_step))
    assert torch.equal(copied(X, Y), train_step(X, Y))
    assert_same_bits(copied.model.state_dict(), train_step.model.state_dict())


def test_what_forward_gives_is_unpacked():
    def forward(model, batch):
        return (part for part in (model(batch[0]), batch[1]))

    train_step = step_of(nn.Linear(2, 3), nn.CrossEntropyLoss(), forward=forward)
    assert train_step(X, torch.tensor([0, 1, 2, 0])).isfinite()


@pytest.mark.parametrize(
    "answer, named",
    [
        (torch.zeros(2, 1), r"a Tensor of shape \(2, 1\)"),  # it would unpack
        ({"a": 1, "b": 2}, "a dict"),
        (None, "a NoneType"),
        ((torch.zeros(2),) * 3, "a tuple of 3 parts"),
    ],
    ids=["predictions alone", "a dict", "nothing", "three"],
)
def test_forward_must_give_a_pair(answer, named):
    train_step = step_of(linear(), forward=lambda model, batch: answer)
    with pytest.raises(ConfigError, match=rf"gave {named}, not .*\n.*\nReturn"):
        train_step(X[:2], Y[:2])
    val_step = gt.make_val_step(linear(), nn.MSELoss(), forward=lambda m, b: answer)
    with pytest.raises(ConfigError, match=f"gave {named}"):
        val_step(X[:2], Y[:2])
