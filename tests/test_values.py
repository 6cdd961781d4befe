"""Values of steps and epochs: parts of a loss, what is logged, metrics, the norm."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import gradatim as gt
from gradatim.errors import ConfigError, LossError
from tests.bits import assert_same_bits

X = torch.linspace(-1, 1, 20).view(20, 1)
Y = 3 * X + 1


def trainer_of(loss_fn=None, **options):
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return gt.Trainer(model, loss_fn or nn.MSELoss(), optimizer, **options)


def fit(trainer, *callbacks, val=(X, Y), epochs=2, **options):
    options = {"batch_size": 8, "progress": False, **options}
    return trainer.fit((X, Y), val, epochs=epochs, callbacks=callbacks, **options)


def with_parts(predictions, targets):
    loss = F.mse_loss(predictions, targets)
    return {"loss": loss, "mae": F.l1_loss(predictions, targets), "twice": 2 * loss}


def as_pair(predictions, targets):
    loss = F.mse_loss(predictions, targets)
    return loss, {"mae": F.l1_loss(predictions, targets), "twice": 2 * loss}


# --- Parts of a loss ------------------------------------------------------------------


@pytest.mark.parametrize("loss_fn", [with_parts, as_pair])
def test_parts_are_means_over_rows_and_the_loss_alone_trains(loss_fn):
    plain, parted = trainer_of(), trainer_of(loss_fn)
    expected, history = fit(plain), fit(parted)
    assert_same_bits(parted.model.state_dict(), plain.model.state_dict())
    assert history["train_loss"] == expected["train_loss"]
    assert history["val_loss"] == expected["val_loss"]
    for kind in ("train", "val"):
        twice = [value / 2 for value in history[f"{kind}_twice"]]
        assert twice == pytest.approx(history[f"{kind}_loss"], rel=1e-12)
    mae = F.l1_loss(
        parted.predict(X), Y
    ).item()  # 20 rows in batches of 8: no plain mean
    assert history["val_mae"][-1] == pytest.approx(mae, rel=1e-6)
    assert parted.evaluate((X, Y))["mae"] == pytest.approx(mae, rel=1e-6)


@pytest.mark.parametrize("options", [{"num_microbatches": 3}, {"precision": "bf16"}])
def test_parts_are_joined_as_the_loss_is(options):
    trainer = trainer_of(with_parts, **options)
    history = fit(trainer)
    twice = [value / 2 for value in history["train_twice"]]
    assert twice == pytest.approx(history["train_loss"], rel=1e-2)


def test_parts_of_a_sum_are_weighted_as_the_sum_is():
    def summed(predictions, targets):
        loss = F.mse_loss(predictions, targets, reduction="sum")
        return {"loss": loss, "half": loss / 2}

    summed.reduction = "sum"
    history = fit(trainer_of(summed, max_norm=1.0))
    halves = [2 * value for value in history["train_half"]]
    assert halves == pytest.approx(history["train_loss"])


def test_lbfgs_notes_the_parts_of_the_first_loss():
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=5)
    history = fit(gt.Trainer(model, with_parts, optimizer), epochs=1)
    assert history["train_twice"][0] == pytest.approx(2 * history["train_loss"][0])


def test_forward_may_give_the_loss_itself():
    plain, own = trainer_of(), None

    def forward(model, batch):
        predictions = model(batch[0])
        loss = F.mse_loss(predictions, batch[1])
        # As a model of Hugging Face gives its loss beside other outputs.
        return {"loss": loss, "mae": F.l1_loss(predictions, batch[1]), "y": predictions}

    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    own = gt.Trainer(model, None, optimizer, forward=forward)
    expected, history = fit(plain), fit(own)
    assert history["val_loss"] == expected["val_loss"]
    assert set(history) - set(expected) == {"train_mae", "val_mae"}
    with pytest.raises(ConfigError, match="gives the loss of a batch, and no pred"):
        own.predict(X)
    step = gt.make_val_step(model, None, forward=forward)
    assert step((X, Y)).shape == ()


@pytest.mark.parametrize(
    "loss_fn, message",
    [
        (lambda p, t: {"mse": F.mse_loss(p, t)}, "a dict of 'mse', without 'loss'"),
        (
            lambda p, t: {"loss": F.mse_loss(p, t), "all": (p - t)},
            r"'all' has shape \(8, 1\), not \(\)",
        ),
        (
            lambda p, t: (F.mse_loss(p, t), {"loss": 1.0}),
            "a part of the loss has the name 'loss'",
        ),
        (lambda p, t: (F.mse_loss(p, t), {"kind": "mse"}), "'kind' is a str"),
    ],
)
def test_parts_that_are_no_numbers_are_refused(loss_fn, message):
    with pytest.raises(LossError, match=message):
        fit(trainer_of(loss_fn))


def test_without_any_loss_it_is_said_what_is_needed(unchecked):
    with pytest.raises(ConfigError, match="loss_fn is None, and there is no forward="):
        gt.make_train_step(nn.Linear(1, 1), None, None)


def test_a_part_can_be_monitored_and_is_in_the_line(capsys):
    stopping = gt.EarlyStopping("val_mae", patience=1, min_delta=1e9)
    history = fit(trainer_of(with_parts), stopping, epochs=9, progress=True)
    assert len(history["val_mae"]) == 2
    assert history.stop_reason.startswith("val_mae has not improved for 1 epochs")
    assert "train_mae" in capsys.readouterr().err


# --- What is logged -------------------------------------------------------------------


def test_every_hook_may_log_a_value():
    history = gt.History()

    class Steps(gt.Callback):
        def on_step_begin(self, trainer, batch):
            trainer.log(begin=trainer.num_steps)

        def on_backward_end(self, trainer):
            trainer.log(backward=torch.tensor(float(trainer.num_steps)))

        def on_step_end(self, trainer, loss):
            trainer.log(loss_again=loss, rows=trainer.so_far.num_rows)

        def on_epoch_begin(self, trainer):
            trainer.log(epoch_begin=trainer.epoch)

        def on_validation_begin(self, trainer):
            trainer.log(val_begin=trainer.num_steps)

        def on_validation_end(self, trainer):
            trainer.log(val_double=2 * trainer.so_far.values["val_loss"])

        def on_epoch_end(self, trainer):
            trainer.log(epoch_end=trainer.epoch)

        def on_history(self, trainer):
            trainer.log(last=trainer.history["epoch_end"][-1] + 0.5)

    history = fit(trainer_of(), Steps())
    assert history["loss_again"] == pytest.approx(history["train_loss"], rel=1e-7)
    # Batches of 8, 8 and 4 rows: the mean is weighted by rows.
    assert history["begin"] == [
        (0 * 8 + 1 * 8 + 2 * 4) / 20,
        (3 * 8 + 4 * 8 + 5 * 4) / 20,
    ]
    assert history["backward"] == [value + 1 for value in history["begin"]]
    assert history["epoch_begin"] == [0, 1] and history["val_begin"] == [3, 6]
    assert history["val_double"] == [2 * value for value in history["val_loss"]]
    assert history["epoch_end"] == [1, 2] and history["last"] == [1.5, 2.5]


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("val_loss", 1.0, r"log\(val_loss=...\) would replace a value"),
        ("score", torch.zeros(2), r"'score' gives a Tensor of shape \(2,\)"),
        ("score", "high", "'score' gives a str"),
    ],
)
@pytest.mark.parametrize("hook", ["on_step_end", "on_epoch_end", "on_epoch_begin"])
def test_what_is_logged_is_one_number_by_a_free_name(
    unchecked, name, value, message, hook
):
    def log(trainer, *_):
        trainer.log(**{name: value})

    callback = gt.Callback()
    setattr(callback, hook, log)
    with pytest.raises(ConfigError, match=message):
        fit(trainer_of(), callback)


def test_a_tensor_with_a_graph_is_logged_without_it():
    class Norm(gt.Callback):
        def on_epoch_end(self, trainer):
            trainer.log(norm=trainer.model.weight.norm())

    trainer = trainer_of()
    history = fit(trainer, Norm())  # PyTorch's warning would be an error here
    assert history["norm"][-1] == trainer.model.weight.norm().item()


# --- Metrics --------------------------------------------------------------------------


class MeanError:
    """A metric object: the mean absolute error, batch by batch."""

    def __init__(self):
        self.num_resets = 0
        self.reset()

    def update(self, predictions, targets):
        assert not predictions.requires_grad
        self.total += (predictions - targets).abs().sum().item()
        self.count += len(targets)

    def compute(self):
        return self.total / self.count

    def reset(self):
        self.total, self.count = 0.0, 0
        self.num_resets += 1


class Several(MeanError):
    def compute(self):
        return {"mae": self.total / self.count, "rows": self.count}


def test_an_object_gives_the_number_of_a_function():
    metric = MeanError()
    trainer = trainer_of(metrics={"object": metric, "function": F.l1_loss})
    history = fit(trainer)
    assert history["val_object"] == pytest.approx(history["val_function"], rel=1e-6)
    assert metric.count == 20 and metric.num_resets == 5, "made, tried, two validations"
    assert history["val_object"][0] != history["val_object"][1]


def test_an_object_alone_keeps_no_outputs():
    import weakref

    alive, most = weakref.WeakSet(), []

    def forward(model, batch):
        predictions = model(batch[0])
        alive.add(predictions)
        most.append(len(alive))
        return predictions, batch[1]

    trainer = trainer_of(metrics={"mae": MeanError()}, forward=forward)
    trainer.evaluate((X, Y), batch_size=1)
    assert max(most) <= 3
    most.clear()
    trainer_of(metrics={"mae": F.l1_loss}, forward=forward).evaluate(
        (X, Y), batch_size=1
    )
    assert max(most) == 20, "a function sees all rows at once"


def test_a_collection_brings_its_own_names():
    scores = trainer_of(metrics=Several()).evaluate((X, Y), batch_size=8)
    assert list(scores) == ["loss", "mae", "rows"] and scores["rows"] == 20
    history = fit(trainer_of(metrics={"all": Several()}, train_metrics=Several()))
    assert history["val_all_rows"] == [20, 20] and history["train_rows"] == [20, 20]


def test_train_metrics_are_of_the_predictions_before_each_update():
    seen = []

    def mae(predictions, targets):
        seen.append(len(targets))
        return F.l1_loss(predictions, targets)

    metrics = {"function": mae, "object": MeanError()}
    history = fit(trainer_of(with_parts, train_metrics=metrics))
    assert seen == [8, 8, 4, 8, 8, 4]
    trainer = trainer_of(train_metrics=metrics, num_microbatches=3)
    split = fit(trainer)
    for key in ("train_object",):
        assert history[key] == pytest.approx(split[key], rel=1e-5)
    parts = fit(trainer_of(with_parts))["train_mae"]
    assert history["train_object"] == pytest.approx(parts, rel=1e-6)


@pytest.mark.parametrize(
    "metrics, message",
    [
        ([F.l1_loss], r"metrics is a list"),
        (MeanError, "metrics is a MeanError"),
        ({"mae": MeanError}, "'mae' is the class MeanError itself"),
        ({"mae": 3}, "'mae' is a int, which cannot be called"),
    ],
)
def test_what_is_no_metric_is_refused(unchecked, metrics, message):
    with pytest.raises(ConfigError, match=message):
        trainer_of(metrics=metrics)


def test_metrics_need_predictions():
    with pytest.raises(ConfigError, match="Metrics are of predictions and targets"):
        gt.Trainer(
            model := nn.Linear(1, 1),
            None,
            torch.optim.SGD(model.parameters(), lr=0.1),
            forward=lambda model, batch: model(batch[0]).mean(),
            metrics={"mae": F.l1_loss},
        )


# --- Values of the updates ------------------------------------------------------------


@pytest.mark.parametrize("max_norm", [None, 0.5])
def test_the_norm_and_the_rates_are_there_for_the_asking(max_norm):
    plain, norms = trainer_of(max_norm=max_norm), []

    class Norms(gt.Callback):
        def on_backward_end(self, trainer):
            gradients = [p.grad for p in trainer.model.parameters()]
            norms.append(torch.cat([g.flatten() for g in gradients]).norm().item())

    expected = fit(plain, Norms(), epochs=1)
    trainer = trainer_of(max_norm=max_norm)
    history = fit(trainer, gt.StepValues("grad_norm", "lr"), epochs=1)
    assert history["val_loss"] == expected["val_loss"], "nothing else is changed"
    mean = (8 * norms[0] + 8 * norms[1] + 4 * norms[2]) / 20
    assert history["grad_norm"][0] == pytest.approx(mean, rel=1e-6)
    assert history["lr_0"] == [0.1]


def test_values_that_updates_do_not_have_are_refused(unchecked):
    with pytest.raises(ConfigError, match="'grad_norm' and 'lr', got 'grad_nrm'"):
        gt.StepValues("grad_nrm")


def test_a_part_that_never_was_a_number_is_nan():
    def broken(predictions, targets):
        return {"loss": F.mse_loss(predictions, targets), "broken": math.nan}

    assert math.isnan(fit(trainer_of(broken), epochs=1)["train_broken"][0])
