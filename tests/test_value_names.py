"""No two values of the history share a name."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import gradatim as gt
from gradatim.errors import ConfigError
from tests.test_values import X, Y, fit, trainer_of, with_parts


class Logs(gt.Callback):
    """Logs a value under some name in one hook, or in several."""

    def __init__(self, name, *hooks, value=1.0):
        self.name, self.value = name, value
        for hook in hooks or ("on_step_end",):
            setattr(self, hook, lambda trainer, *_: trainer.log(**{name: value}))


class Mean:
    """A metric object: the mean of the targets."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.seen = []

    def update(self, predictions, targets):
        self.seen.append(targets)

    def compute(self):
        return torch.cat(self.seen).mean()


@pytest.mark.parametrize("metric", [nn.L1Loss(), Mean()])
@pytest.mark.parametrize("kind", ["metrics", "train_metrics"])
def test_a_part_and_a_metric_do_not_share_a_name(kind, metric):
    trainer = trainer_of(with_parts, **{kind: {"mae": metric}})
    told = "mae' is both a .* and a "
    with pytest.raises(ConfigError, match=told):
        fit(trainer)


def test_evaluate_alone_refuses_a_shared_name_too():
    trainer = trainer_of(with_parts, metrics={"mae": nn.L1Loss()})
    told = "'mae' is both a part of the loss and a metric"
    with pytest.raises(ConfigError, match=told):
        trainer.evaluate((X, Y))


def test_a_value_logged_in_a_step_does_not_share_the_name_of_a_part():
    told = "'train_mae' is both a part of the loss and logged by Logs in on_step_end"
    with pytest.raises(ConfigError, match=told):
        fit(trainer_of(with_parts), Logs("train_mae"))


def test_one_object_does_not_count_training_and_validation():
    metric = Mean()
    with pytest.raises(ConfigError, match=r"'mean' .* an object of metrics"):
        trainer_of(metrics={"m": metric}, train_metrics={"mean": metric})
    fit(trainer_of(metrics={"m": F.l1_loss}, train_metrics={"m": F.l1_loss}))


class Others(Logs):
    pass


@pytest.mark.parametrize("hooks", ["on_step_end", "on_backward_end", "on_epoch_end"])
@pytest.mark.parametrize("kind", [Logs, Others])
def test_two_callbacks_do_not_share_a_name(hooks, kind):
    told = rf"'x' is both logged by Logs in {hooks} and logged by {kind.__name__} in "
    with pytest.raises(ConfigError, match=told):
        fit(trainer_of(), Logs("x", hooks), kind("x", hooks, value=3.0))


def test_a_callback_and_a_loss_do_not_share_a_name():
    def loss_fn(predictions, targets):
        trainer.log(x=3.0)
        return F.mse_loss(predictions, targets)

    trainer = trainer_of(loss_fn)
    with pytest.raises(ConfigError, match="outside of the callbacks and logged by"):
        fit(trainer, Logs("x"))
    assert fit(trainer_of(), Logs("x"))["x"] == [1.0, 1.0]


@pytest.mark.parametrize(
    "name, options",
    [
        ("val_mae", {"metrics": {"mae": F.l1_loss}}),
        ("train_mae", {"train_metrics": {"mae": F.l1_loss}}),
        ("train_mae", {"train_metrics": {"mae": Mean()}}),
        ("val_twice", {"loss_fn": with_parts}),
    ],
)
@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_step_end", "on_validation_end"])
def test_a_callback_and_a_metric_do_not_share_a_name(name, options, hook):
    told = rf"'{name}' is both (a .* and logged by Logs|logged by Logs .* and a )"
    with pytest.raises(ConfigError, match=told):
        fit(trainer_of(**options), Logs(name, hook))


@pytest.mark.parametrize("hook", ["on_epoch_begin", "on_epoch_end"])
def test_a_name_is_of_updates_or_of_rows(hook):
    """One of the two values would have been lost."""
    told = r"'x' is both logged by Logs in on_\w+ and logged by Logs in on"
    with pytest.raises(ConfigError, match=told):
        fit(trainer_of(), Logs("x", "on_step_end", hook))


def test_a_callback_may_log_a_name_again():
    class Twice(gt.Callback):
        def on_step_begin(self, trainer, batch):
            trainer.log(mean=1.0)

        def on_step_end(self, trainer, loss):
            trainer.log(mean=3.0)

        def on_validation_end(self, trainer):
            trainer.log(last=1.0)

        def on_history(self, trainer):
            trainer.log(last=trainer.history["last"][-1] + 1.0)

    history = fit(trainer_of(), Twice(), Logs("other"))
    assert history["mean"] == history["last"] == [2.0, 2.0]


def test_names_are_free_again_in_the_next_fit():
    trainer = trainer_of()
    for value in (1.0, 2.0):
        fit(trainer, Logs("x", value=value), epochs=1)
    assert trainer.history["x"] == [1.0, 2.0]


def test_a_value_that_no_row_would_have_is_refused():
    with pytest.raises(ConfigError, match=r"log\(x=...\) is called in on_fit_end"):
        fit(trainer_of(), Logs("x", "on_fit_end"))
