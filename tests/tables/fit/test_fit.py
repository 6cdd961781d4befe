"""Training on a table: repeatable, honest, and stopped without loss."""

import os
import signal
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch import nn

from gradatim.doctor import Doctor
from gradatim.errors import ConfigError
from gradatim.hooks import Callback
from gradatim.tables.fit import fit as fit_module
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.fit import fit_table, predict_rows
from gradatim.tables.fit.plan import plan_table
from gradatim.tables.model.scores import score
from gradatim.tables.table import read_table
from tests.bits import assert_same_bits
from tests.houses import TARGETS, with_target
from tests.tables.fit.test_plan import table_of, with_other_rows


def fitted(table, *, callbacks=(), factory=None, **choices):
    config = TabularConfig(**{"epochs": 3, **choices})
    plan = plan_table(table, config, factory=factory)
    return fit_table(plan, callbacks=callbacks, progress=False)


@pytest.mark.parametrize("target", TARGETS)
def test_it_beats_the_baseline(target):
    found = fitted(table_of(target), epochs=15).scores
    name = "r2" if TARGETS[target] == "regression" else "accuracy"
    assert found["model"][name] > found["baseline"][name] + 0.2
    assert found["linear"][name] > found["baseline"][name] + 0.2


@pytest.mark.parametrize("target", ["price", "dear", "town"])
def test_it_gives_the_same_bits_again(target):
    table = table_of(target)
    first, second = fitted(table), fitted(table)
    assert_same_bits(first.model.state_dict(), second.model.state_dict())
    assert first.scores == second.scores
    assert first.history["val_loss"] == second.history["val_loss"]
    other = fitted(table, seed=1)
    assert first.history["val_loss"] != other.history["val_loss"]


def test_nothing_global_is_left_changed():
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()
    seen = []

    class Threads(Callback):
        def on_epoch_end(self, trainer):
            seen.append(torch.get_num_threads())

    fitted(table_of("town"), callbacks=[Threads()])
    assert seen == [1, 1, 1]  # small batches
    assert torch.get_num_threads() == 2
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    torch.set_num_threads(threads)


def test_threads_are_put_back_after_an_error():
    class Fail(Callback):
        def on_epoch_end(self, trainer):
            raise ZeroDivisionError

    torch.set_num_threads(2)
    with pytest.raises(ZeroDivisionError):
        fitted(table_of("price"), callbacks=[Fail()])
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("target", ["price", "town"])
def test_test_rows_change_neither_weights_nor_history(target):
    table = table_of(target)
    plan = plan_table(table, TabularConfig(epochs=3))
    # Targets of the test rows of classes stay: the split is by class.
    changed = with_other_rows(table, plan.test)
    if target == "town":
        changed = replace(changed, y=table.y)
    first = fit_table(plan, progress=False)
    second = fitted(changed)
    assert torch.equal(second.plan.test, plan.test)
    assert_same_bits(first.model.state_dict(), second.model.state_dict())
    assert first.history["val_loss"] == second.history["val_loss"]
    assert first.scores != second.scores


def test_test_rows_are_looked_at_once_at_the_end(monkeypatch):
    table, events = table_of("price"), []
    plan = plan_table(table, TabularConfig(epochs=2))
    test = set(plan.test.tolist())
    select = type(table).select

    def watched(self, rows):
        if test & set(rows.tolist()):
            events.append("test rows")
        return select(self, rows)

    class End(Callback):
        def on_fit_end(self, trainer):
            events.append("trained")

    monkeypatch.setattr(type(table), "select", watched)
    fit_table(plan, callbacks=[End()], progress=False)
    assert events == ["trained", "test rows"]


@pytest.mark.parametrize("target", TARGETS)
def test_scores_are_those_of_the_model_on_the_test_rows(target):
    found = fitted(table_of(target))
    plan, model = found.plan, found.model
    answers = predict_rows(model, plan.table.select(plan.test).x)
    by_hand = score(TARGETS[target], answers, plan.table.y[plan.test])
    assert found.scores["model"] == pytest.approx(by_hand, rel=1e-6)


def test_the_baseline_knows_the_training_rows_only():
    found = fitted(table_of("price"))
    y, plan = found.plan.table.y.double(), found.plan
    errors = y[plan.test] - y[plan.train].mean()
    wanted = {
        "rmse": errors.square().mean().sqrt().item(),
        "mae": errors.abs().mean().item(),
    }
    assert {k: found.scores["baseline"][k] for k in wanted} == pytest.approx(wanted)
    assert found.scores["baseline"]["r2"] <= 0

    found = fitted(table_of("town"))
    y, plan = found.plan.table.y, found.plan
    majority = torch.bincount(y[plan.train]).argmax()
    accuracy = (y[plan.test] == majority).double().mean().item()
    assert found.scores["baseline"]["accuracy"] == pytest.approx(accuracy)


@pytest.mark.parametrize("target", ["price", "dear", "town"])
def test_it_starts_near_the_linear_model(target):
    """What one epoch at the warm-up's small step size leaves is about as good."""
    found = fitted(table_of(target), epochs=1, warmup=0.99, lr=1e-5)
    name = "r2" if target == "price" else "accuracy"
    assert found.scores["model"][name] > found.scores["linear"][name] - 0.1


def test_of_many_rows_some_are_enough_to_start_from(monkeypatch):
    monkeypatch.setattr(fit_module, "START_ROWS", 40)
    assert fitted(table_of("price"), epochs=8).scores["model"]["r2"] > 0.5


def test_early_stopping_keeps_the_best_epoch():
    table = table_of("price")
    found = fitted(table, epochs=60, patience=2, lr=0.05)
    losses = found.history["val_loss"]
    assert len(losses) < 60
    assert "has not improved for 2 epochs" in found.history.stop_reason
    plan, model = found.plan, found.model
    outputs = model.eval()(table.select(plan.val).x)
    loss = nn.functional.mse_loss(outputs, model.standardise(table.y[plan.val]))
    assert loss.item() == pytest.approx(min(losses), rel=1e-5)


def test_ctrl_c_keeps_history_and_weights():
    class Interrupt(Callback):
        def on_step_end(self, trainer, loss):
            if trainer.num_steps == 9:  # in the third epoch of four updates
                os.kill(os.getpid(), signal.SIGINT)

    found = fitted(table_of("price"), epochs=30, callbacks=[Interrupt()])
    assert found.history.stop_reason == "interrupted"
    assert found.history["epoch"] == [1, 2]
    assert found.scores["model"]["r2"] > 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_tied_weights_are_decayed_once():
    class Tied(nn.Module):
        def __init__(self, num_features, num_outputs):
            super().__init__()
            self.first = nn.Linear(num_features, num_features)
            self.second = nn.Linear(num_features, num_features)
            self.second.weight = self.first.weight
            self.last = nn.Linear(num_features, num_outputs)

        def forward(self, x):
            return self.last(self.second(self.first(x).relu()).relu())

    found = fitted(table_of("price"), factory=Tied)
    assert found.history["epoch"] == [1, 2, 3]


def test_answers_in_parts_are_the_answers():
    """Within 1e-6 of the target's spread: other shapes of products round otherwise."""
    found = fitted(table_of("price"))
    whole = predict_rows(found.model, found.plan.table.x)
    parts = predict_rows(found.model, found.plan.table.x, batch_size=7)
    assert (whole - parts).abs().max() < 1e-6 * found.model.target_std * 10
    assert found.model.training  # put back as it was


def test_integers_beyond_float32_are_predicted_to_the_unit():
    frame = with_target("price")
    frame["price"] = (frame["price"] * 10).astype(int) + 10**12
    table = read_table(frame, target="price")
    assert table.schema.target.origin > 10**11
    found = fitted(table, epochs=10)
    assert found.scores["model"]["r2"] > 0.8


def test_the_doctor_lets_be_columns_that_the_model_scales():
    """Raw columns of a table are scaled in the model; noise cannot be learned."""
    random = np.random.default_rng(0)
    columns = {
        "wide": random.normal(size=300) * 1e4,
        "narrow": random.normal(size=300),
        "y": random.normal(size=300),
    }
    table = read_table(pa.table(columns), target="y")
    plan = plan_table(table, TabularConfig(epochs=3))
    found = []
    fit_table(plan, callbacks=[Doctor(tell=found.append)], progress=False)
    assert found == []


@pytest.mark.parametrize(
    ("target", "metric"),
    [("price", "r2"), ("price", "median_error"), ("dear", "roc_auc"), ("town", "f1")],
)
def test_the_metric_of_the_validation_rows_chooses_the_epoch(target, metric):
    table = table_of(target)
    config = TabularConfig(metric=metric, epochs=6, patience=2, lr=0.02)
    fitted = fit_table(plan_table(table, config), progress=False)
    plan, values = fitted.plan, fitted.history[f"val_{metric}"]
    is_more = metric != "median_error"
    best = max(values) if is_more else min(values)
    x = table.select(plan.val).x
    answers = predict_rows(fitted.model, x, by="network")
    found = score(fitted.model.task, answers, table.y[plan.val])[metric]
    assert found == pytest.approx(best, rel=1e-4)
    assert len(values) == 6 or values.index(best) == len(values) - 3


def test_a_metric_of_another_task_is_refused():
    with pytest.raises(ConfigError, match="metric='roc_auc' is no score of regression"):
        plan_table(table_of("price"), TabularConfig(metric="roc_auc"))
