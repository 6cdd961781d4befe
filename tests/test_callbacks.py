import math

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR

import gradatim as gt
from gradatim.errors import ConfigError, GradatimWarning, OptimizerError
from tests.bits import assert_same_bits

X, Y = torch.linspace(0, 1, 12).view(12, 1), torch.linspace(1, 3, 12).view(12, 1)


def trainer_of(**options):
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return gt.Trainer(model, nn.MSELoss(), optimizer, **options)


def fit(trainer, *callbacks, epochs=2, val=None, **options):
    return trainer.fit(
        (X, Y),
        val,
        epochs=epochs,
        batch_size=4,
        callbacks=callbacks,
        progress=False,
        **options,
    )


# --- Early stopping -------------------------------------------------------------------


class Feed(gt.Callback):
    """Give the history the values of a list, and the weights the epoch's number."""

    def __init__(self, values, key="score"):
        self.values, self.key = values, key

    def on_epoch_end(self, trainer):
        column = trainer.history.setdefault(self.key, [None] * trainer.epoch)
        column[-1] = self.values[trainer.epoch - 1]
        with torch.no_grad():
            trainer.model.weight.fill_(trainer.epoch)


def stop_on(values, **options):
    trainer, stopping = trainer_of(), gt.EarlyStopping("score", **options)
    fit(trainer, Feed(values), stopping, epochs=len(values))
    return trainer, stopping


@pytest.mark.parametrize(
    "values, options, stopped, best",
    [
        ([3, 2, 2, 2, 1], {"patience": 2}, 4, 2),
        ([3, 2, 2, 2, 1], {"patience": 3}, 5, 5),
        ([1, 2, 2, 3, 3], {"patience": 1, "mode": "max"}, 3, 2),
        ([3, 2.9, 2.8, 2.7, 2], {"patience": 3, "min_delta": 0.5}, 4, 1),
        ([3, 2.9, 2.8, 2.7, 2], {"patience": 3, "min_delta": 0.15}, 5, 5),
        ([math.nan, 2, 3, 1, 1], {"patience": 2}, 5, 4),
        ([2, math.nan, math.nan, 1], {"patience": 2}, 3, 1),
        ([5, 4, 3, 2, 1], {"patience": 1}, 5, 5),
    ],
)
def test_training_stops_after_patience_and_puts_the_best_back(
    values, options, stopped, best
):
    trainer, stopping = stop_on(values, **options)
    assert trainer.epoch == stopped
    assert (stopping.best_epoch, stopping.best_value) == (best, values[best - 1])
    assert trainer.model.weight.item() == best
    if stopped < len(values):
        assert f"has not improved for {options['patience']} epochs; best" in str(
            trainer.history.stop_reason
        )
    else:
        assert trainer.history.num_epochs == stopped


def test_nan_alone_is_never_best_and_leaves_the_weights():
    trainer, stopping = stop_on([math.nan] * 5, patience=3)
    assert trainer.epoch == 3 and stopping.best_epoch is None
    assert "it never was a number" in trainer.history.stop_reason
    assert trainer.model.weight.item() == 3


def test_restore_best_false_leaves_the_last_weights():
    trainer, stopping = stop_on([1, 2, 3, 4], patience=2, restore_best=False)
    assert (trainer.epoch, stopping.best_epoch) == (3, 1)
    assert trainer.model.weight.item() == 3


def test_best_buffers_are_put_back_too():
    torch.manual_seed(0)
    model = nn.Sequential(nn.BatchNorm1d(1), nn.Linear(1, 1))
    trainer = gt.Trainer(model, nn.MSELoss(), torch.optim.SGD(model.parameters()))
    states = []

    class Keep(gt.Callback):
        def on_epoch_end(self, trainer):
            trainer.history.setdefault("score", [0])[-1] = trainer.epoch
            states.append({k: v.clone() for k, v in model.state_dict().items()})

    fit(trainer, Keep(), gt.EarlyStopping("score", patience=2), epochs=9)
    assert len(states) == 3
    assert_same_bits(dict(model.state_dict()), states[0])


def test_the_best_is_put_back_after_an_error_and_only_once():
    trainer, stopping = trainer_of(), gt.EarlyStopping("score")
    with pytest.raises(IndexError):
        fit(trainer, Feed([1, 2]), stopping, epochs=3)
    assert trainer.model.weight.item() == 1
    trainer.model.weight.data.fill_(7)
    stopping.on_fit_end(trainer)
    assert trainer.model.weight.item() == 7


def test_a_second_fit_counts_its_patience_anew():
    trainer = trainer_of()
    values = [1, 1, 1, math.nan, math.nan, 1, 1]
    fit(trainer, Feed(values), epochs=3)
    fit(trainer, Feed(values), gt.EarlyStopping("score", patience=3), epochs=4)
    assert trainer.epoch == 7


def test_a_value_that_is_not_there_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"'val_loss', but fit\(\) has no valid"):
        fit(trainer_of(), gt.EarlyStopping())
    with pytest.raises(ConfigError, match=r"'scor' is monitored(.|\n)*mean 'score'"):
        fit(trainer_of(), Feed([1.0, 2.0]), gt.EarlyStopping("scor"))
    with pytest.raises(ConfigError, match="Did you mean 'train_loss'"):
        fit(trainer_of(), gt.EarlyStopping("trainloss"))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"mode": "up"}, "'min' or 'max', got 'up'"),
        ({"patience": 0}, "1 or more, got 0"),
        ({"min_delta": -1}, "not be negative, got -1"),
    ],
)
def test_arguments_out_of_range_are_refused(unchecked, options, message):
    with pytest.raises(ConfigError, match=message):
        gt.EarlyStopping(**options)


# --- Learning rates -------------------------------------------------------------------


def test_a_scheduler_of_another_optimizer_is_refused():
    other = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    with pytest.raises(OptimizerError, match="Make it from the optimizer"):
        fit(trainer_of(), gt.LRScheduler(StepLR(other, 1)))


def test_arguments_that_exclude_each_other_are_refused(unchecked):
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.1)
    with pytest.raises(ConfigError, match=r'per step(.|\n)*per="epoch"'):
        gt.LRScheduler(ReduceLROnPlateau(optimizer), per="step")
    with pytest.raises(ConfigError, match="got 'batch'"):
        gt.LRScheduler(StepLR(optimizer, 1), per="batch")
    with pytest.raises(ConfigError, match="StepLR looks at no value"):
        gt.LRScheduler(StepLR(optimizer, 1), monitor="val_loss")


def test_reduce_on_plateau_needs_its_value():
    trainer = trainer_of()
    schedule = gt.LRScheduler(ReduceLROnPlateau(trainer.optimizer))
    with pytest.raises(ConfigError, match="LRScheduler monitors 'val_loss'"):
        fit(trainer, schedule)
    on_train = gt.LRScheduler(
        ReduceLROnPlateau(trainer.optimizer, patience=0, threshold=10.0),
        monitor="train_loss",
    )
    history = fit(trainer, on_train, epochs=3)
    assert trainer.optimizer.param_groups[0]["lr"] < history["lr"][0]


def test_updates_that_are_left_out_move_no_schedule():
    trainer = trainer_of(on_nonfinite="skip")
    schedule = OneCycleLR(trainer.optimizer, max_lr=0.1, total_steps=9)
    y = Y.clone()
    y[5] = math.nan
    with pytest.warns(GradatimWarning, match="the loss is nan"):
        trainer.fit(
            (X, y),
            epochs=3,
            batch_size=4,
            callbacks=[gt.LRScheduler(schedule, per="step")],
            progress=False,
        )
    assert (trainer.num_steps, trainer.train_step.num_skipped) == (9, 3)
    assert schedule.last_epoch == 6
    assert all(math.isfinite(loss) for loss in trainer.history["train_loss"])
