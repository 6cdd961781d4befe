import copy
import dataclasses
import math
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import gradatim as gt
from gradatim.deferred import DeferredScalars
from gradatim.errors import (
    ConfigError,
    DataError,
    GradatimWarning,
    NonFiniteLossError,
    ShapeMismatchError,
)
from tests.bits import assert_same_bits, bits_of, random_state

X = torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
Y = X.sum(1, keepdim=True)
LABELS = torch.arange(50) % 3


def network(outputs=1, *layers):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), *layers, nn.ReLU(), nn.Linear(8, outputs))


def trainer_of(model=None, loss_fn=None, *, lr=0.05, **options):
    model = network() if model is None else model
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    return gt.Trainer(model, loss_fn or nn.MSELoss(), optimizer, **options)


def fit(trainer, *data, epochs=2, **options):
    return trainer.fit(*data, epochs=epochs, progress=False, **options)


# --- The epoch's numbers ------------------------------------------------------------


def test_history_tells_what_its_page_says():
    trainer = trainer_of(metrics={"mae": F.l1_loss})
    history = fit(trainer, (X, Y), (X, Y), batch_size=16)
    assert list(history) == [
        "epoch", "train_loss", "lr", "num_steps", "epoch_time_s", "samples_per_s",
        "val_loss", "val_mae",
    ]  # fmt: skip
    assert history["epoch"] == [1, 2] and history["num_steps"] == [4, 8]
    assert history["lr"] == [0.05, 0.05] and history.stop_reason == "epochs"
    time, rate = history["epoch_time_s"][0], history["samples_per_s"][0]
    assert rate == pytest.approx(50 / time)
    assert history is trainer.history


LOSSES = [
    (nn.MSELoss(), 1, Y),
    (nn.MSELoss(reduction="sum"), 1, Y),
    (nn.CrossEntropyLoss(), 3, LABELS),
    (nn.CrossEntropyLoss(ignore_index=1), 3, LABELS),
    (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 9.0])), 3, LABELS),
    (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 9.0]), reduction="sum"), 3,
     LABELS),
]  # fmt: skip


@pytest.mark.parametrize("loss_fn, outputs, y", LOSSES)
@pytest.mark.parametrize("own_forward", [False, True])
def test_an_epochs_loss_is_that_of_all_rows_at_once(loss_fn, outputs, y, own_forward):
    forward = (
        (lambda model, batch: (model(batch[0]), batch[1])) if own_forward else None
    )
    # The rate is zero, so that every batch is seen with the same weights.
    trainer = trainer_of(network(outputs), loss_fn, lr=0.0, forward=forward)
    with torch.no_grad():
        whole = loss_fn(trainer.model(X), y)
    if loss_fn.reduction == "sum":  # its mean over what it sums
        weight = getattr(loss_fn, "weight", None)
        whole = whole / (len(y) if weight is None else weight[y].sum())
    order = torch.argsort(y.flatten())  # batches that differ as much as they can
    history = fit(trainer, (X[order], y[order]), (X, y), batch_size=16, epochs=1)
    assert history["train_loss"][0] == pytest.approx(whole.item(), rel=1e-5)
    assert history["val_loss"][0] == pytest.approx(whole.item(), rel=1e-5)
    evaluated = trainer.evaluate((X, y), batch_size=7)["loss"]
    assert evaluated == pytest.approx(whole.item(), rel=1e-5)


def test_a_batch_without_any_weight_leaves_the_mean_a_number():
    y = LABELS.clone()
    y[:16] = -100
    trainer = trainer_of(network(3), nn.CrossEntropyLoss())
    assert math.isfinite(trainer.evaluate((X, y), batch_size=16)["loss"])


class Elsewhere(torch.Tensor):
    """A tensor that says it is on a device, as there is none here."""

    is_cpu = False


def test_losses_on_a_device_give_the_same_history():
    histories = []
    for kind in (torch.Tensor, Elsewhere):
        trainer = trainer_of(
            loss_fn=lambda p, t, kind=kind: F.mse_loss(p, t).as_subclass(kind)
        )
        histories.append(fit(trainer, (X, Y), (X, Y), batch_size=1, epochs=2))
    for key in ("train_loss", "val_loss"):
        assert_same_bits(histories[0][key], histories[1][key], key)


@pytest.mark.parametrize("on_nonfinite", ["raise", "skip"])
@pytest.mark.parametrize("own_forward", [False, True])
def test_weighted_targets_on_a_device_give_the_same_history(on_nonfinite, own_forward):
    y = LABELS.clone()
    y[:3] = -100
    x = X.clone()
    if on_nonfinite == "skip":
        x[7] = math.nan
    forward = (lambda model, b: (model(b[0]), b[1])) if own_forward else None
    loss_fn = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 9.0]))
    histories, weights = [], []
    for kind in (torch.Tensor, Elsewhere):
        # The module weighs its targets; only what it computes claims to be elsewhere.
        trainer = trainer_of(
            network(3), loss_fn, forward=forward, on_nonfinite=on_nonfinite
        )
        compute = trainer.train_step.loss_fn
        trainer.train_step._run_on_engine(
            dataclasses.replace(
                trainer.train_step.parts,
                loss_fn=lambda p, t, f=compute, kind=kind: f(p, t).as_subclass(kind),
            )
        )
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "the loss is nan", GradatimWarning)
            histories.append(fit(trainer, (x, y), batch_size=4, seed=1, epochs=2))
        weights.append(bits_of(trainer.model))
    assert_same_bits(histories[0]["train_loss"], histories[1]["train_loss"])
    assert all(math.isfinite(loss) for loss in histories[0]["train_loss"])
    assert_same_bits(*weights)


def test_lbfgs_on_a_device_collects_the_first_loss_of_each_update():
    histories = []
    for kind in (torch.Tensor, Elsewhere):
        model = network()
        trainer = gt.Trainer(
            model,
            lambda p, t, kind=kind: F.mse_loss(p, t).as_subclass(kind),
            torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3),
        )
        histories.append(fit(trainer, (X, Y), batch_size=10, epochs=2))
    assert_same_bits(histories[0]["train_loss"], histories[1]["train_loss"])


def test_nan_on_a_device_ends_the_epoch_at_the_latest():
    y = Y.clone()
    y[3] = math.nan
    trainer = trainer_of(loss_fn=lambda p, t: F.mse_loss(p, t).as_subclass(Elsewhere))
    with pytest.raises(NonFiniteLossError, match=r"at step 4 \(noticed after step 50"):
        fit(trainer, (X, y), batch_size=1, shuffle=False)
    assert trainer.history.num_epochs == 0


def test_a_loss_on_a_device_is_copied_once_for_its_check_and_the_epochs_mean(
    monkeypatch,
):
    pushes, copies = [], []
    push, send = DeferredScalars.push, DeferredScalars._send

    def counted_push(scalars, *values):
        pushes.append(scalars)
        push(scalars, *values)

    def counted_send(scalars):
        copies.append(scalars)
        send(scalars)

    monkeypatch.setattr(DeferredScalars, "push", counted_push)
    monkeypatch.setattr(DeferredScalars, "_send", counted_send)
    trainer = trainer_of(loss_fn=lambda p, t: F.mse_loss(p, t).as_subclass(Elsewhere))
    num_steps = 2 * len(X) + len(X) // 2
    fit(trainer, (X.repeat(5, 1), Y.repeat(5, 1)), batch_size=2, epochs=1)
    assert trainer.num_steps == len(pushes) == num_steps
    # A window of 64 losses a copy, and what is left at the end of the epoch.
    assert len(copies) == math.ceil(num_steps / 64)
    assert len(set(map(id, pushes))) == 1


def test_a_step_that_a_callback_does_itself_is_not_in_the_epochs_mean():
    class Repeats(gt.Callback):
        def on_step_end(self, trainer, loss):
            trainer.train_step(1000 * X, Y)

    # The rate is zero, so that every batch is seen with the same weights.
    alone, repeated = (trainer_of(lr=0.0) for _ in range(2))
    fit(alone, (X, Y), epochs=1, batch_size=16)
    fit(repeated, (X, Y), epochs=1, batch_size=16, callbacks=[Repeats()])
    assert repeated.num_steps == 2 * alone.num_steps
    assert repeated.history["train_loss"] == alone.history["train_loss"]


def test_metrics_see_all_rows_at_once_in_order_and_float32_arithmetic():
    seen = []

    def spread(predictions, targets):
        seen.append(targets)
        assert not torch.is_autocast_enabled("cpu")
        return (predictions.float() - targets).abs().max()  # no mean of means

    trainer = trainer_of(metrics={"spread": spread}, precision="bf16")
    scores = trainer.evaluate((X, Y), batch_size=16)
    assert torch.equal(seen[0], Y)
    predictions = trainer.predict(X)
    assert predictions.dtype == torch.float32, "NumPy has no bfloat16"
    assert scores["spread"] == pytest.approx(
        (predictions.float() - Y).abs().max().item(), rel=1e-6
    )


def test_a_metric_that_is_no_number_or_takes_the_losss_name_is_refused():
    trainer = trainer_of(metrics={"errors": lambda p, t: (p - t).squeeze(1)})
    with pytest.raises(ConfigError, match=r"'errors' gives a Tensor of shape \(50,\)"):
        trainer.evaluate((X, Y))
    with pytest.raises(ConfigError, match="Give it another name"):
        trainer_of(metrics={"loss": F.l1_loss})


def test_an_unknown_loss_warns_once_in_training_and_validation():
    trainer = trainer_of(loss_fn=lambda p, t: ((p - t) ** 2).mean())
    with pytest.warns(GradatimWarning, match="broadcast to") as caught:
        fit(trainer, (X, Y.squeeze(1)), (X, Y.squeeze(1)))
    assert len(caught) == 1


# --- Nothing is moved ---------------------------------------------------------------


def test_validation_changes_no_weight_buffer_mode_or_random_state(unchecked):
    model = network(1, nn.BatchNorm1d(8), nn.Dropout())
    model[1].eval()
    trainer = trainer_of(model)
    data = gt.data.Batches((X, Y), batch_size=16, shuffle=True)
    before, random_before = bits_of(model, trainer.optimizer), random_state()
    trainer.evaluate(data)
    trainer.predict(X)
    trainer.predict((X, Y))
    assert_same_bits(before, bits_of(model, trainer.optimizer))
    assert_same_bits(random_before, random_state())


def test_fit_with_validation_trains_as_without():
    results = []
    for val in (None, (X, Y)):
        trainer = trainer_of(network(1, nn.BatchNorm1d(8), nn.Dropout()))
        torch.manual_seed(5)
        fit(trainer, (X, Y), val)
        results.append((bits_of(trainer.model), torch.get_rng_state()))
    assert_same_bits(*results)


def test_modes_are_put_back_after_an_error():
    model = network(1, nn.Dropout())
    with pytest.raises(ShapeMismatchError):
        trainer_of(model).evaluate((X, Y.squeeze(1)))
    assert all(module.training for module in model.modules())


def test_the_order_is_that_of_the_seed_and_epoch():
    def rows_of(seed):
        rows = []

        class Look(gt.Callback):
            def on_step_begin(self, trainer, batch):
                rows.append(batch[0])

        fit(trainer_of(), (X, Y), batch_size=16, seed=seed, callbacks=[Look()])
        return rows

    first = rows_of(1)
    assert_same_bits(first, rows_of(1))
    assert not torch.equal(first[0], rows_of(2)[0])
    assert not torch.equal(first[0], first[4])  # the second epoch's


# --- Kinds of data ------------------------------------------------------------------


class Stream(IterableDataset):
    """Rows without a length."""

    def __init__(self, rows=50):
        self.rows = rows

    def __iter__(self):
        return iter(zip(X[: self.rows], Y[: self.rows], strict=True))


def test_a_stream_of_unknown_length_trains_as_its_rows_do():
    streamed, sliced = trainer_of(), trainer_of()
    fit(streamed, Stream(), Stream(), batch_size=16)
    fit(sliced, (X, Y), (X, Y), batch_size=16, shuffle=False)
    assert_same_bits(bits_of(streamed.model), bits_of(sliced.model))
    assert streamed.history["val_loss"] == sliced.history["val_loss"]


def test_arrays_dicts_single_tensors_and_lists_of_batches_are_taken():
    arrays = fit(trainer_of(), (X.double().numpy(), Y.numpy()))
    assert_same_bits(arrays["train_loss"], fit(trainer_of(), (X, Y))["train_loss"])
    by_dict = trainer_of(forward=lambda model, b: (model(b["x"]), b["y"]))
    as_dict = fit(by_dict, {"x": X, "y": Y})
    assert_same_bits(arrays["train_loss"], as_dict["train_loss"])
    autoencoder = trainer_of(nn.Linear(3, 3), forward=lambda model, x: (model(x), x))
    assert fit(autoencoder, X)["train_loss"][1] < 2
    batches = list(DataLoader(TensorDataset(X, Y), batch_size=16))
    by_hand = fit(trainer_of(), batches)
    in_order = fit(trainer_of(), (X, Y), batch_size=16, shuffle=False)
    assert_same_bits(by_hand["train_loss"], in_order["train_loss"])


def test_forward_may_take_its_batch_apart():
    trainer = trainer_of(forward=lambda model, b: (model(b.pop("x")), b.pop("y")))
    with pytest.raises(DataError, match=r"batch \(a dict\) has none"):
        # The epoch's mean weighs by rows; they are counted when the batch is whole.
        fit(trainer, [{}])
    loss_weight = {"loss_weight": lambda batch: 1}
    trainer = trainer_of(
        forward=lambda model, b: (model(b.pop("x")), b.pop("y")), **loss_weight
    )
    assert fit(trainer, {"x": X, "y": Y}).num_epochs == 2


def test_options_that_a_loader_has_itself_are_refused():
    loader = DataLoader(TensorDataset(X, Y), batch_size=16)
    for option in ({"batch_size": 8}, {"seed": 1}, {"shuffle": True}):
        name = next(iter(option))
        with pytest.raises(ConfigError, match=f"{name} given, but a DataLoader"):
            fit(trainer_of(), loader, **option)
    fit(trainer_of(), (X, Y), loader, batch_size=8)  # for the tensors alone
    with pytest.raises(ConfigError, match="batch_size=8, but these Batches"):
        fit(trainer_of(), gt.data.Batches((X, Y)), batch_size=8)


def test_epochs_without_a_batch_are_refused():
    empty = DataLoader(TensorDataset(X[:0], Y[:0]))
    for call in (
        lambda: fit(trainer_of(), empty),
        lambda: fit(trainer_of(), Stream(0)),
        lambda: trainer_of().evaluate(empty),
        lambda: trainer_of().predict(empty),
    ):
        with pytest.raises(DataError, match=r"had no batch\.\n"):
            call()
    with pytest.raises(ConfigError, match="epochs must be a whole number"):
        fit(trainer_of(), (X, Y), epochs=0)


# --- Predicting ---------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 7, 50, 64])
def test_predictions_come_in_order_whatever_the_batches(batch_size):
    trainer = trainer_of(network(1, nn.Dropout()))
    trainer.model.train()
    predictions = trainer.predict(X, batch_size=batch_size)
    trainer.model.eval()
    torch.testing.assert_close(predictions, trainer.model(X).detach())
    assert not predictions.requires_grad


def test_predict_takes_all_kinds_of_data():
    trainer = trainer_of()
    expected = trainer.predict(X)
    dataset = TensorDataset(X, Y)
    for data in (
        X.double().numpy(),
        (X,),
        (X, Y),
        [X, Y],
        TensorDataset(X),
        dataset,
        DataLoader(dataset, batch_size=256),
        Stream(),
        gt.data.Batches(X, shuffle=False, batch_size=256),
    ):
        assert_same_bits(trainer.predict(data), expected)


def test_predict_with_forward_and_of_several_outputs():
    class Two(nn.Module):
        def forward(self, x):
            return {"twice": 2 * x, "sum": x.sum(1)}

    two = Two()
    two.scale = nn.Parameter(torch.ones(1))
    trainer = trainer_of(two, forward=lambda model, b: (model(b["x"]), None))
    predictions = trainer.predict({"x": X}, batch_size=8)
    assert_same_bits(predictions, {"twice": 2 * X, "sum": X.sum(1)})


def test_predictions_of_shuffled_data_are_warned_of():
    dataset = TensorDataset(X, Y)
    for data in (
        DataLoader(dataset, shuffle=True),
        DataLoader(dataset, sampler=torch.utils.data.SubsetRandomSampler(range(50))),
        gt.data.Batches((X, Y)),
    ):
        with pytest.warns(GradatimWarning, match="paired with the wrong rows"):
            trainer_of().predict(data)


def test_probabilities_follow_the_loss():
    trainer = trainer_of(network(3), nn.CrossEntropyLoss())
    probabilities = trainer.predict_proba(X)
    assert probabilities.shape == (50, 3)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(50))
    with pytest.raises(ConfigError, match="MSELoss does not say"):
        trainer_of().predict_proba(X)


def test_probabilities_keep_double_and_widen_bfloat16():
    double = trainer_of(network(3).double(), nn.CrossEntropyLoss())
    assert double.predict_proba(X.double()).dtype == torch.float64
    half = trainer_of(network(3), nn.CrossEntropyLoss(), precision="bf16")
    assert half.predict_proba(X).dtype == torch.float32


def test_tensors_and_models_on_meta_go_through():
    model = nn.Linear(3, 1, device="meta")
    assert trainer_of(model).predict(X.to("meta")).device.type == "meta"


# --- bf16, and going on -------------------------------------------------------------


def test_bf16_trains_and_evaluates_near_float32():
    losses = {}
    for precision in ("float32", "bf16"):
        trainer = trainer_of(precision=precision)
        losses[precision] = fit(trainer, (X, Y), (X, Y), epochs=5)["val_loss"][-1]
        assert all(p.dtype == torch.float32 for p in trainer.model.parameters())
    assert losses["bf16"] == pytest.approx(losses["float32"], rel=0.1)  # as measured
    assert losses["bf16"] != losses["float32"]


def test_stop_in_mid_epoch_keeps_whole_epochs_and_goes_on():
    class StopAt(gt.Callback):
        def on_step_end(self, trainer, loss):
            if trainer.num_steps == 6:
                trainer.stop("enough")

    trainer = trainer_of()
    history = fit(trainer, (X, Y), batch_size=16, epochs=9, callbacks=[StopAt()])
    assert (trainer.epoch, trainer.num_steps) == (1, 6)
    assert (history.stop_reason, history["epoch"]) == ("enough", [1])
    fit(trainer, (X, Y), batch_size=16, epochs=2)
    assert history["epoch"] == [1, 2, 3] and history["num_steps"][-1] == 14
    assert history.stop_reason == "epochs"


def test_an_error_leaves_the_history_of_whole_epochs():
    y = Y.clone()
    trainer = trainer_of()
    fit(trainer, (X, y))
    weights = copy.deepcopy(trainer.model.state_dict())
    y[:] = math.nan
    with pytest.raises(NonFiniteLossError, match="at step 5"):
        fit(trainer, (X, y))
    assert trainer.history.num_epochs == 2 and trainer.history.stop_reason is None
    assert_same_bits(weights, trainer.model.state_dict())


# --- Frames -------------------------------------------------------------------------

OURS = str(Path(gt.__file__).parent)


class CountsFrames(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.frames = None

    def forward(self, x):
        if self.training:
            names, frame = [], sys._getframe()
            while frame is not None and frame.f_code.co_name != "fit":
                if frame.f_code.co_filename.startswith(OURS):
                    names.append(frame.f_code.co_name)
                frame = frame.f_back
            assert frame is not None
            self.frames = names
        return self.linear(x)


@pytest.mark.parametrize(
    "data, options",
    [
        ((X, Y), {}),
        ((X, Y), {"num_microbatches": 2}),
        ((X, Y), {"precision": "bf16"}),
        ({"x": X, "y": Y}, {"forward": lambda model, b: (model(b["x"]), b["y"])}),
        (DataLoader(TensorDataset(X, Y), batch_size=16), {}),
    ],
    ids=["pair", "microbatches", "bf16", "forward", "loader"],
)
def test_at_most_five_frames_of_ours_are_between_fit_and_forward(data, options):
    model = CountsFrames()
    fit(trainer_of(model, **options), data, epochs=1, callbacks=[gt.Callback()])
    assert 1 <= len(model.frames) <= 5, model.frames


def test_frames_with_a_class_loss_and_forward_are_five_too():
    model = CountsFrames()
    model.linear = nn.Linear(3, 3)
    trainer = trainer_of(
        model, nn.CrossEntropyLoss(), forward=lambda model, b: (model(b[0]), b[1])
    )
    fit(trainer, (X, LABELS), epochs=1)
    assert 1 <= len(model.frames) <= 5, model.frames


def test_a_numpy_metric_is_a_number_too():
    trainer = trainer_of(
        metrics={"rmse": lambda p, t: np.sqrt(np.mean((p - t).numpy() ** 2))}
    )
    scores = trainer.evaluate((X, Y))
    assert scores["rmse"] == pytest.approx(math.sqrt(scores["loss"]), rel=1e-5)
    assert all(type(value) is float for value in scores.values())


# --- What a user may do to a batch, a step or a keyword -------------------------------


def test_forward_may_take_the_batch_apart():
    """Rows are counted before it, so the mean of the epoch is the same."""

    def taking_apart(model, batch):
        return model(batch.pop("x")), batch.pop("y")

    def leaving_whole(model, batch):
        return model(batch["x"]), batch["y"]

    means = []
    for forward in (taking_apart, leaving_whole):
        batches = [
            {"y": Y[:4], "x": X[:4], "size": torch.tensor(7)},
            {"y": Y[4:6], "x": X[4:6], "size": torch.tensor(9)},
        ]
        trainer = trainer_of(lr=0.0, forward=forward)
        loader = DataLoader(batches, batch_size=None)
        means.append(trainer.fit(loader, epochs=1, progress=False)["train_loss"])
    assert means[0] == means[1]


def test_another_loss_of_the_step_is_used_from_then_on():
    class Swap(gt.Callback):
        def on_epoch_end(self, trainer):
            trainer.train_step.loss_fn = nn.L1Loss()

    trainer = trainer_of(lr=0.0)
    data = (X, Y)
    history = trainer.fit(data, data, epochs=2, callbacks=[Swap()], progress=False)
    for name in ("train_loss", "val_loss"):
        squared, absolute = history[name]
        assert absolute != squared
    assert history["train_loss"][1] == pytest.approx(history["val_loss"][1])


def test_a_loss_counts_when_its_update_is_done():
    class Stopping(torch.optim.SGD):
        def step(self, closure=None):
            if trainer.num_steps == 3:
                raise KeyboardInterrupt
            return super().step(closure)

    class Keep(gt.Callback):
        def on_fit_end(self, trainer):
            states.append(trainer.state_dict()["so_far"])

    model, states = network(), []
    optimizer = Stopping(model.parameters(), lr=0.1)
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
    with pytest.raises(KeyboardInterrupt):
        options = {"batch_size": 4, "callbacks": [Keep()], "progress": False}
        trainer.fit((X, Y), epochs=1, **options)
    assert (states[0]["num_batches"], states[0]["loss_weight"]) == (2, 8.0)


def test_a_misspelt_option_is_named_by_the_function_that_was_called():
    trainer = trainer_of()
    calls = {
        "Trainer": lambda: trainer_of(maxnorm=1.0),
        "fit": lambda: trainer.fit((X, Y), epochs=1, batchsize=8),
        "evaluate": lambda: trainer.evaluate((X, Y), batchsize=8),
        "predict": lambda: trainer.predict(X, batchsize=8),
        "predict_proba": lambda: trainer.predict_proba(X, batchsize=8),
        "Batches": lambda: gt.data.Batches((X, Y), batchsize=8),
    }
    for name, call in calls.items():
        with pytest.raises(TypeError, match=rf"^{name}\(\) got .* Did you mean '"):
            call()
    with pytest.raises(TypeError, match="restartable"):
        gt.data.Batches((X, Y), restartable=True)
