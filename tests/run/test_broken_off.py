"""A training that an error breaks off is saved first, and says what it lacks."""

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import OneCycleLR, StepLR
from torch.utils.data import DataLoader, TensorDataset

import gradatim as gt
from gradatim.errors import NonFiniteLossError
from gradatim.run.checkpoint import Checkpoints
from gradatim.store.lines import read_rows
from tests.bits import assert_same_bits
from tests.run.forms import At, Rows, X, Y, fit, names_in, states

NEVER = {"every_s": None}
"""Nothing is saved but the beginning, the end, and what an error leaves."""


class Fails(gt.Callback):
    """Raises an error in one hook, once."""

    def __init__(self, hook, step, error=KeyError):
        self.step, self.error = step, error
        setattr(self, hook, self.call)

    def call(self, trainer, *given):
        if trainer.num_steps == self.step:
            raise self.error("mine")


def one_cycle(trainer):
    schedule = OneCycleLR(trainer.optimizer, 0.1, total_steps=9)
    return gt.LRScheduler(schedule, per="step")


def by_epoch(trainer):
    return gt.LRScheduler(StepLR(trainer.optimizer, 1))


def broken_off(path, hook, step, others=(), *, before=False, **options):
    def callbacks(trainer):
        made = [make(trainer) for make in others]
        fails = [Fails(hook, step, options.pop("error", KeyError))]
        return [*fails, *made] if before else [*made, *fails]

    with pytest.raises(Exception, match="mine") as raised:
        fit(path, epochs=3, callbacks=callbacks, **NEVER, **options)
    return raised.value


def gone_on(path, others=(), **options):
    return fit(
        path,
        epochs=3,
        callbacks=lambda trainer: [make(trainer) for make in others],
        accept="config",  # the callback that fails is gone
        **NEVER,
        **options,
    )


def told_of(capsys):
    return capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize(
    "hook, step, saved",
    [
        ("on_step_end", 5, 5),
        ("on_step_end", 3, 3),
        ("on_epoch_end", 6, 6),
        ("on_history", 6, 6),
        ("on_validation_begin", 6, 6),
        ("on_validation_end", 6, 6),
        ("on_epoch_begin", 3, 3),
        ("on_step_begin", 4, 4),
    ],
)
def test_what_was_trained_is_saved_before_the_error_is_passed_on(
    hook, step, saved, tmp_path, capsys
):
    others, val = [one_cycle, by_epoch], (X, Y)
    whole = gone_on(tmp_path / "whole", others, val=val)
    broken_off(tmp_path / "x", hook, step, others, val=val)
    assert names_in(tmp_path / "x") == ["step-0", f"step-{saved}"]
    told_of(capsys)
    found = gone_on(tmp_path / "x", others, val=val)
    assert_same_bits(states([found.model]), states([whole.model]))
    assert found.history["val_loss"] == whole.history["val_loss"]
    assert found.history["epoch"] == [1, 2, 3]
    rows = list(read_rows(tmp_path / "x" / "history.jsonl"))
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    kept = "an error kept" in told_of(capsys)
    assert not kept


@pytest.mark.parametrize(
    "hook, others, named",
    [
        ("on_step_end", [one_cycle], "LRScheduler"),
        ("on_epoch_end", [by_epoch], "LRScheduler"),
        ("on_epoch_end", [lambda trainer: gt.EarlyStopping("train_loss")], "EarlySto"),
    ],
)
def test_callbacks_that_were_not_called_any_more_are_a_reason(
    hook, others, named, tmp_path, capsys
):
    broken_off(tmp_path, hook, 6, others, before=True)
    gone_on(tmp_path, others)
    assert "not exact: callbacks.Fails" in (told := told_of(capsys))
    assert f"an error kept {named}" in told


def test_the_fault_of_one_that_only_watches_is_exact(tmp_path, capsys):
    class Watches(Fails):
        only_watches = True

    def stop(trainer):
        return [one_cycle(trainer), Watches("on_step_end", 4)]

    with pytest.raises(KeyError):
        fit(tmp_path, callbacks=stop, **NEVER)
    assert "step 4 is saved, as an error ends the fit" in told_of(capsys)
    fit(tmp_path, callbacks=lambda trainer: [one_cycle(trainer)])
    assert "going on from step 4 (epoch 1, batch 1): resume is exact" in told_of(capsys)


def test_an_error_of_the_data_is_told_where_they_may_have_drawn(tmp_path, capsys):
    class Broken(Rows):
        fails = False

        def __getitem__(self, row):
            if self.fails:
                raise ValueError("mine")
            return super().__getitem__(row)

    broken = Broken()
    breaks = At(4, lambda: setattr(broken, "fails", True))
    breaks.only_watches = True
    with pytest.raises(ValueError, match="mine"):
        fit(tmp_path, train=broken, callbacks=lambda trainer: [breaks], **NEVER)
    assert names_in(tmp_path)[-1] == "step-4"
    broken.fails = False
    fit(tmp_path, train=broken)
    assert "the data were asked for the batch of an error" in told_of(capsys)


def test_an_error_within_an_update_saves_nothing(tmp_path):
    class Loss(nn.Module):
        num_calls = 0

        def forward(self, predictions, targets):
            Loss.num_calls += 1
            if Loss.num_calls == 6:
                raise ValueError("mine")
            return nn.functional.mse_loss(predictions, targets)

    with pytest.raises(ValueError, match="mine"):
        fit(tmp_path, loss_fn=Loss(), **NEVER)
    assert names_in(tmp_path) == ["step-0"]


def test_a_second_ctrl_c_saves_nothing_more(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        fit(
            tmp_path,
            callbacks=lambda trainer: [Fails("on_step_end", 4, KeyboardInterrupt)],
            **NEVER,
        )
    assert names_in(tmp_path) == ["step-0"]


def test_a_run_that_ends_by_an_error_has_not_ended(tmp_path):
    class Stops(gt.Callback):
        def on_step_end(self, trainer, loss):
            if trainer.num_steps == 4:
                trainer.stop("enough")
                raise KeyError("mine")

    with pytest.raises(KeyError):
        fit(tmp_path, callbacks=lambda trainer: [Stops()], **NEVER)
    assert Checkpoints(tmp_path).newest_header().ended is None


def test_errors_of_the_run_itself_are_not_saved_again(tmp_path):
    def spoil(trainer):
        class Spoils(gt.Callback):
            def on_step_end(self, trainer, loss):
                if trainer.num_steps == 2:
                    with torch.no_grad():
                        trainer.model[0].weight.fill_(torch.nan)
                    raise KeyError("mine")

        return [Spoils()]

    with pytest.raises(KeyError, match="mine") as raised:
        fit(tmp_path, callbacks=spoil, **NEVER)
    (note,) = raised.value.__notes__
    assert "what was trained is not saved: model.0.weight has 6 of 6" in note
    assert names_in(tmp_path) == ["step-0"]


def test_before_the_run_has_begun_nothing_is_saved(tmp_path):
    class Early(gt.Callback):
        def on_fit_begin(self, trainer):
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fit(tmp_path / "x", callbacks=lambda trainer: [Early()])
    assert not (tmp_path / "x").exists()


def test_a_loss_that_is_no_number_names_the_last_checkpoint(tmp_path):
    y = Y.clone()
    y[7] = torch.nan
    with pytest.raises(NonFiniteLossError) as raised:
        fit(tmp_path, train=(X, y), every_steps=1, options={"batch_size": 1})
    step = names_in(tmp_path)[-1]
    told = f"The last checkpoint with finite weights is {tmp_path}/checkpoints/{step}."
    assert str(raised.value).endswith(told)


# --- Attributes of callbacks ----------------------------------------------------------


class Shadow(gt.Callback):
    """An average of the weights that is not saved."""

    def on_fit_begin(self, trainer):
        self.shadow = [p.detach().clone() for p in trainer.model.parameters()]

    def on_step_end(self, trainer, loss):
        for mine, parameter in zip(
            self.shadow, trainer.model.parameters(), strict=True
        ):
            mine.lerp_(parameter.detach(), 0.1)


class Center(gt.Callback):
    def __init__(self):
        self.center = torch.zeros(1)

    def on_step_end(self, trainer, loss):
        self.center = 0.9 * self.center + loss


class Late(gt.Callback):
    kept = None

    def on_step_end(self, trainer, loss):
        if trainer.num_steps == 2:
            self.kept = {"copies": torch.nn.Linear(1, 1)}


class Fixed(gt.Callback):
    """Rows that are looked at from time to time, and the weights themselves."""

    def __init__(self):
        self.rows = X[:2].clone()

    def on_fit_begin(self, trainer):
        self.alive = list(trainer.model.parameters())

    def on_step_end(self, trainer, loss):
        assert len(self.alive) == 4


@pytest.mark.parametrize(
    "kind, name", [(Shadow, "shadow"), (Center, "center"), (Late, "kept['copies']")]
)
def test_tensors_of_a_callback_that_saves_nothing_are_a_reason(
    kind, name, tmp_path, capsys
):
    broken_off(tmp_path, "on_step_end", 4, [lambda trainer: kind()])
    told = told_of(capsys)
    assert f"will not be exact: {kind.__name__}.{name} is not saved and changes" in told
    gone_on(tmp_path, [lambda trainer: kind()])
    assert f"{kind.__name__}.{name} is not saved and not as it was" in told_of(capsys)


def test_tensors_of_a_callback_that_stand_still_are_let_be(tmp_path, capsys):
    with pytest.raises(KeyError):
        fit(
            tmp_path,
            callbacks=lambda trainer: [Fixed(), FailsQuietly("on_step_end", 4)],
            **NEVER,
        )
    fit(tmp_path, callbacks=lambda trainer: [Fixed()])
    assert "resume is exact" in told_of(capsys)


class FailsQuietly(Fails):
    only_watches = True


def test_a_loss_that_was_changed_on_the_way_is_a_reason(tmp_path, capsys):
    class Changes(gt.Callback):
        def on_step_end(self, trainer, loss):
            if trainer.num_steps == 3:
                trainer.train_step.loss_fn = nn.L1Loss()

    with pytest.raises(KeyError):
        fit(
            tmp_path,
            callbacks=lambda trainer: [Changes(), FailsQuietly("on_step_end", 4)],
            **NEVER,
        )
    fit(tmp_path, callbacks=lambda trainer: [Changes()])
    told = told_of(capsys)
    assert "not exact: train_step.loss_fn was changed on the way" in told


def test_a_loader_that_drew_for_the_batch_of_an_error(tmp_path, capsys):
    loader = DataLoader(TensorDataset(X, Y), 4, shuffle=True)
    broken_off(tmp_path, "on_step_begin", 4, train=loader, options={})
    gone_on(tmp_path, train=loader, options={})
    assert "the data were asked for the batch of an error" in told_of(capsys)
