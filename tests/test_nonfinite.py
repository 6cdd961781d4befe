"""Gradients that are NaN though the loss is finite, and float16 that overflows."""

import contextlib
import copy
import math

import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.errors import ConfigError, GradatimWarning, NonFiniteLossError
from tests.bits import assert_same_bits

X = torch.linspace(-1, 1, 12).view(12, 1)
Y = 3 * X + 1
ZEROS = torch.zeros(4, 1)


def distance(predictions, targets):
    """Have a gradient that is NaN where predictions and targets are equal."""
    return (predictions - targets).square().sum(1).sqrt().mean()


def step_of(optimizer=torch.optim.SGD, *, loss_fn=distance, **options):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(1, 3, bias=False), nn.Linear(3, 1, bias=False))
    return gt.make_train_step(
        model, loss_fn, optimizer(model.parameters(), lr=0.1), **options
    )


def is_finite(step):
    return all(bool(p.isfinite().all()) for p in step.model.parameters())


SKIPS = [
    {},
    {"max_norm": 1.0},
    {"num_microbatches": 2},
    {"precision": "bf16"},
    {"check_gradients": True},
]


@pytest.mark.parametrize("options", SKIPS, ids=str)
def test_skip_leaves_out_an_update_from_nan_gradients(options):
    step, steps = step_of(on_nonfinite="skip", **options), []
    other = step_of(**{k: v for k, v in options.items() if k != "check_gradients"})
    collected = []
    step(X, Y)
    message = r"gradient of 0.weight, 1.weight is NaN or infinite at step 2, .* is 0"
    with pytest.warns(GradatimWarning, match=message):
        steps.append(step(ZEROS, ZEROS, collect=lambda *row: collected.append(row)))
    step(ZEROS, ZEROS)  # it is warned of once
    step(X, Y)
    other(X, Y), other(X, Y)
    assert step.num_skipped == 2 and step.num_steps == 4 and collected == []
    assert_same_bits(step.model.state_dict(), other.model.state_dict())


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.LBFGS])
@pytest.mark.parametrize("options", [{"max_norm": 1.0}, {"check_gradients": True}])
def test_an_update_from_nan_gradients_is_not_made(optimizer, options):
    step = step_of(optimizer, **options)
    before = copy.deepcopy(step.model.state_dict())
    with pytest.raises(NonFiniteLossError) as error:
        step(ZEROS, ZEROS)
    message = str(error.value)
    assert message.startswith("the gradient of 0.weight, 1.weight is NaN or infinite")
    assert "at step 1, where the loss is 0" in message and "square root" in message
    assert_same_bits(step.model.state_dict(), before)


def test_where_it_is_noticed_too_late_the_advice_is_no_skipping():
    step = step_of()
    step(ZEROS, ZEROS)
    assert not is_finite(step)
    with pytest.raises(NonFiniteLossError, match="the loss is nan at step 2") as error:
        step(X, Y)
    assert "before had a finite loss, and gradients that were not" in str(error.value)
    assert "check_gradients=True" in str(error.value)
    assert "on_nonfinite" not in str(error.value)


def test_the_gradients_of_a_trained_loss_are_named_too():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.zeros(()))

        def forward(self, predictions, targets):
            return (predictions - targets).square().mean() + self.scale.sqrt()

    torch.manual_seed(0)
    model, loss_fn = nn.Linear(1, 1), Scaled()
    optimizer = torch.optim.SGD([*model.parameters(), loss_fn.scale], lr=0.1)
    step = gt.make_train_step(model, loss_fn, optimizer, max_norm=1.0)
    with pytest.raises(NonFiniteLossError, match="gradient of scale is NaN"):
        step(X, Y)


def test_sparse_gradients_are_measured():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Embedding(5, 3, sparse=True), nn.Flatten(), nn.Linear(3, 1)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    step = gt.make_train_step(model, nn.MSELoss(), optimizer, check_gradients=True)
    step(torch.tensor([[1], [3]]), torch.zeros(2, 1))
    dense = [
        p.grad.to_dense() if p.grad.is_sparse else p.grad for p in model.parameters()
    ]
    norm = torch.cat([g.flatten() for g in dense]).norm()
    assert torch.allclose(step.grad_norm, norm)


def test_finite_gradients_whose_norm_overflows_are_no_nan():
    step = step_of(loss_fn=nn.MSELoss(), on_nonfinite="skip")
    step(X * 1e15, Y)
    assert math.isinf(step.grad_norm) and step.num_skipped == 0


def test_a_schedule_waits_where_an_update_is_left_out():
    torch.manual_seed(0)
    model = nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    step = gt.make_train_step(
        model, distance, optimizer, lr_scheduler=schedule, on_nonfinite="skip"
    )
    step(X, Y)
    with pytest.warns(GradatimWarning, match="left out"):
        step(ZEROS, ZEROS)
    assert schedule.last_epoch == 1


# --- float16 --------------------------------------------------------------------------


def loop_in_float16(batches):
    """Train as PyTorch's own recipe for automatic mixed precision does."""
    step = step_of(loss_fn=nn.MSELoss())
    model, optimizer, losses = step.model, step.optimizer, []
    scaler = torch.amp.GradScaler("cpu")
    for x, y in batches:
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.float16):
            loss = nn.functional.mse_loss(model(x), y)
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.detach())
    return model, losses, scaler


def test_float16_trains_as_a_scaled_loop_by_hand():
    huge = (X, Y * 1e4)  # its gradients overflow
    batches = [(X, Y / 100), (X, Y), huge, (X, Y), (X, Y)]
    model, losses, scaler = loop_in_float16(batches)
    step = step_of(loss_fn=nn.MSELoss(), precision="fp16", max_norm=1.0)
    assert_same_bits([step(*batch) for batch in batches], losses)
    assert_same_bits(step.model.state_dict(), model.state_dict())
    assert 0 < step.num_skipped < 4
    assert step.parts.scaler.state_dict() == scaler.state_dict()


def test_the_scale_goes_on_with_the_state():
    step = step_of(loss_fn=nn.MSELoss(), precision="fp16")
    step(X, Y), step(X, Y * 1e4)
    other = step_of(loss_fn=nn.MSELoss(), precision="fp16")
    other.load_state_dict(step.state_dict())
    step(X, Y), other(X, Y)
    assert_same_bits(step.model.state_dict(), other.model.state_dict())
    scales = [s.parts.scaler.get_scale() for s in (step, other)]
    assert scales[0] == scales[1] == 2.0**16 / 2**step.num_skipped < 2.0**16


def test_gradients_are_no_longer_scaled_when_a_callback_sees_them():
    seen = []
    step = step_of(loss_fn=nn.MSELoss(), precision="fp16")
    step.on_backward_end = lambda: seen.append(step.model[0].weight.grad.clone())
    other = step_of(loss_fn=nn.MSELoss(), precision="fp16")
    plain = step_of(loss_fn=nn.MSELoss(), precision="float32")
    for each in (step, other, plain):
        each(X, Y / 100)
    torch.testing.assert_close(
        seen[0], plain.model[0].weight.grad, rtol=0.02, atol=1e-4
    )
    assert_same_bits(step.model.state_dict(), other.model.state_dict())


def test_float16_has_no_closure():
    with pytest.raises(ConfigError, match='precision="fp16" cannot leave one out'):
        step_of(torch.optim.LBFGS, precision="fp16")


# --- What is left out counts in nothing -----------------------------------------------


class Noting(gt.Callback):
    """Logs in each hook of an update, and spoils the gradients of one of them."""

    def __init__(self, spoilt=None):
        self.spoilt = spoilt

    def on_step_begin(self, trainer, batch):
        trainer.log(begin=batch[1].mean())

    def on_backward_end(self, trainer):
        gradient = trainer.model.weight.grad
        if trainer.num_steps == self.spoilt:
            gradient.fill_(math.inf)
        trainer.log(backward=gradient.sum().sign())  # float16 scales it

    def on_step_end(self, trainer, loss):
        trainer.log(end=loss)


class MeanTarget:
    """A metric object: the mean of the targets."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.seen = []

    def update(self, predictions, targets):
        self.seen.append(targets)

    def compute(self):
        return torch.cat(self.seen).mean()


def parts_of(predictions, targets):
    loss = nn.functional.mse_loss(predictions, targets)
    return {"loss": loss, "twice": 2 * loss}


def fitted(train, spoilt=None, *, precision="float32", epochs=1):
    model = nn.Linear(1, 1)
    nn.init.zeros_(model.weight), nn.init.zeros_(model.bias)
    trainer = gt.Trainer(
        model,
        parts_of,
        torch.optim.SGD(model.parameters(), lr=0.1),
        on_nonfinite="skip",
        precision=precision,
        train_metrics={"mean": lambda _, t: t.mean(), "object": MeanTarget()},
    )
    callbacks, val = [Noting(spoilt), gt.EarlyStopping("val_loss")], (X, Y)
    options = {"callbacks": callbacks, "epochs": epochs, "progress": False}
    trainer.fit(train, val, **options)
    times = ("num_steps", "epoch_time_s", "samples_per_s")
    return trainer, {k: v for k, v in trainer.history.items() if k not in times}


@pytest.mark.parametrize(
    "bad, options",
    [
        ((X[:4], Y[:4] * math.nan), {}),  # the loss
        ((X[:4], Y[:4]), {"spoilt": 2}),  # the gradients
        ((X[:4], Y[:4] * 1e4), {"precision": "fp16"}),  # overflows float16
    ],
    ids=["loss", "gradients", "overflow"],
)
def test_an_update_that_is_left_out_is_in_no_mean_and_no_count(bad, options):
    good = [(X[:4], Y[:4] / 100), (X[8:], Y[8:] / 100)]
    told = contextlib.nullcontext() if "precision" in options else pytest.warns()
    with told:
        trainer, rows = fitted([good[0], bad, good[1]], **options)
    expected, expected_rows = fitted(good, **{**options, "spoilt": None})
    assert trainer.train_step.num_skipped == 1 and trainer.train_step.left_out is False
    assert rows == expected_rows
    assert trainer.num_samples == expected.num_samples == 8
    seconds = trainer.history["epoch_time_s"][0]
    assert trainer.history["samples_per_s"][0] == 8 / seconds


def test_an_epoch_of_updates_that_are_left_out_has_a_row_all_the_same():
    bad = [(X[:4], Y[:4] * math.nan)]
    with pytest.warns(GradatimWarning, match="the loss is nan"):
        trainer, rows = fitted(bad, epochs=2)
    assert trainer.num_steps == 2 and trainer.num_samples == 0
    assert all(map(math.isnan, rows["train_loss"])) and "train_object" not in rows
    assert len(rows["val_loss"]) == 2 and rows["val_loss"][0] == rows["val_loss"][1]
    assert trainer.history["samples_per_s"] == [0.0, 0.0]


def test_what_is_logged_before_an_update_keeps_its_value():
    """It is noted when the update is done, which moves the weight."""

    class Weight(gt.Callback):
        def on_backward_end(self, trainer):
            trainer.log(weight=trainer.model.weight[0, 0])
            weights.append(trainer.model.weight.item())

    weights = []
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
    options = {"epochs": 2, "callbacks": [Weight()], "progress": False}
    assert trainer.fit((X, Y), **options)["weight"] == weights
