"""Averages of the weights: scored, kept and resumed in their place."""

import copy

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import gradatim as gt
from gradatim.errors import ConfigError
from tests.bits import assert_same_bits
from tests.memory import in_memory

X = torch.linspace(-1, 1, 24).view(24, 1)
Y = 3 * X + 1


@pytest.fixture
def tmp_path(tmp_path):
    yield from in_memory(tmp_path)


def trainer_of(*, seed=0, batch_norm=False):
    torch.manual_seed(seed)
    layers = [nn.Linear(1, 4), nn.Dropout(0.2), nn.Linear(4, 1)]
    if batch_norm:
        layers.insert(1, nn.BatchNorm1d(4))
    model = nn.Sequential(*layers)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    return gt.Trainer(model, nn.MSELoss(), optimizer)


def fit(trainer, *callbacks, epochs=3, **options):
    return trainer.fit(
        (X, Y),
        (X, Y),
        epochs=epochs,
        batch_size=8,
        callbacks=callbacks,
        progress=False,
        **options,
    )


class ByHand(gt.Callback):
    """Average as a loop written by hand does, with PyTorch's own class."""

    def __init__(self, model, average, *, per="step"):
        self.averaged, self.per = average(model), per

    def on_step_end(self, trainer, loss):
        if self.per == "step":
            self.averaged.update_parameters(trainer.model)

    def on_epoch_end(self, trainer):
        if self.per == "epoch":
            self.averaged.update_parameters(trainer.model)


def ema_by_hand(**options):
    average = get_ema_multi_avg_fn(0.9)
    return lambda model: AveragedModel(model, multi_avg_fn=average, **options)


@pytest.mark.parametrize(
    "ours, by_hand, per",
    [
        (gt.EMA(0.9), ema_by_hand(), "step"),
        (gt.EMA(0.9, use_buffers=True), ema_by_hand(use_buffers=True), "step"),
        (gt.SWA(), AveragedModel, "epoch"),
    ],
    ids=["ema", "ema_of_buffers", "swa"],
)
def test_the_averages_are_those_of_pytorch_and_end_in_the_model(ours, by_hand, per):
    theirs, trainer = trainer_of(batch_norm=True), trainer_of(batch_norm=True)
    expected = ByHand(theirs.model, by_hand, per=per)
    torch.manual_seed(1)
    fit(theirs, expected)
    torch.manual_seed(1)
    fit(trainer, ours)
    assert ours.num_averaged == int(expected.averaged.n_averaged)
    assert_same_bits(trainer.model.state_dict(), expected.averaged.module.state_dict())


def test_the_averages_are_scored_and_the_weights_train_on():
    alone, trainer = trainer_of(), trainer_of()
    scores = []

    class Scores(gt.Callback):
        def __init__(self, averages):
            self.averages = averages

        def on_validation_end(self, trainer):
            assert trainer.averages is self.averages
            with trainer.scored_weights():
                scores.append(trainer.evaluate((X, Y), batch_size=8)["loss"])
            scores.append(trainer.evaluate((X, Y), batch_size=8)["loss"])

    torch.manual_seed(1)
    plain = fit(alone)
    torch.manual_seed(1)
    averages = gt.EMA(0.9)
    history = fit(trainer, averages, Scores(averages))
    assert history["train_loss"] == plain["train_loss"], "training is as without it"
    assert history["val_loss"] == scores[::2]
    assert plain["val_loss"] == scores[1::2]
    assert trainer.averages is None
    assert trainer.evaluate((X, Y), batch_size=8)["loss"] == history["val_loss"][-1]


def test_early_stopping_puts_the_best_averages_back():
    trainer, states = trainer_of(), []

    class Keep(gt.Callback):
        def on_history(self, trainer):
            with trainer.scored_weights():
                states.append(copy.deepcopy(trainer.model.state_dict()))

    stopping = gt.EarlyStopping("val_loss", patience=2, min_delta=1e9)
    fit(trainer, Keep(), stopping, gt.EMA(0.5), epochs=9)
    assert stopping.best_epoch == 1 and len(states) == 3
    assert_same_bits(trainer.model.state_dict(), states[0])


@pytest.mark.usefixtures("unchecked")  # a checkpoint has many values
@pytest.mark.parametrize("average", [lambda: gt.EMA(0.8), lambda: gt.SWA(2)])
@pytest.mark.parametrize("stop", [1, 3, 5, 8])
def test_a_run_goes_on_with_the_averages_and_the_weights(tmp_path, average, stop):
    class Stop(gt.Callback):
        only_watches = True

        def on_step_end(self, trainer, loss):
            if trainer.num_steps == stop:
                trainer.request_stop("interrupted")

    def run(folder, *callbacks, seed):
        trainer = trainer_of(seed=seed)
        run = gt.Run(folder, every_steps=1, monitor="val_loss")
        try:
            history = fit(trainer, average(), run, *callbacks)
        except KeyboardInterrupt:
            return None
        kept = {k: v for k, v in history.items() if not k.endswith("_s")}
        with torch.no_grad():
            run.load_best(best := copy.deepcopy(trainer.model))
        return trainer.model.state_dict(), kept, best.state_dict()

    torch.manual_seed(1)
    whole = run(tmp_path / "whole", seed=0)
    torch.manual_seed(1)
    run(tmp_path / "stopped", Stop(), seed=0)
    torch.manual_seed(7)
    assert_same_bits(run(tmp_path / "stopped", seed=5), whole)
    model = trainer_of(seed=3).model
    best = min(whole[1]["val_loss"])
    model.load_state_dict(whole[2])
    assert gt.Trainer(
        model, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1)
    ).evaluate((X, Y))["loss"] == pytest.approx(best, rel=1e-6)


def test_an_update_that_is_left_out_is_not_averaged():
    trainer = trainer_of()
    trainer.train_step.on_nonfinite = "skip"
    averages = gt.EMA(0.9)
    y = Y.clone()
    y[0] = float("nan")
    bad = gt.Trainer(
        trainer.model, nn.MSELoss(), trainer.optimizer, on_nonfinite="skip"
    )
    with pytest.warns(gt.errors.GradatimWarning, match="left out"):
        bad.fit((X, y), epochs=1, batch_size=8, callbacks=[averages], progress=False)
    assert averages.num_averaged == 2 and bad.num_steps == 3


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: gt.EMA(1.5), "decay must be from 0 to 1, got 1.5"),
        (lambda: gt.SWA(0), "start_epoch must be 1 or more, got 0"),
        (lambda: fit(trainer_of(), gt.EMA(), gt.SWA()), "both keep averages"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()
