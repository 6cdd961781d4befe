"""When hooks are called, and what is refused as a callback."""

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR

import gradatim as gt
from gradatim.errors import ConfigError
from gradatim.hooks import HOOKS, TrainerView, hooks_of

X, Y = torch.linspace(0, 1, 12).view(12, 1), torch.linspace(1, 3, 12).view(12, 1)


def trainer_of():
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return gt.Trainer(model, nn.MSELoss(), optimizer)


def fit(trainer, *callbacks):
    data = gt.data.Batches((X, Y), batch_size=4)
    return trainer.fit(data, epochs=2, callbacks=callbacks, progress=False)


def test_a_trainer_has_what_callbacks_see():
    assert isinstance(trainer_of(), TrainerView)
    assert not isinstance(nn.Linear(1, 1), TrainerView)


class Teller(gt.Callback):
    def __init__(self, name, told):
        self.name, self.told = name, told

    def _tell(self, hook, trainer):
        self.told.append((self.name, hook, trainer.epoch, trainer.num_steps))

    def on_fit_begin(self, trainer):
        self._tell("fit_begin", trainer)

    def on_fit_end(self, trainer):
        self._tell("fit_end", trainer)

    def on_epoch_begin(self, trainer):
        self._tell("epoch_begin", trainer)

    def on_epoch_end(self, trainer):
        self._tell("epoch_end", trainer)

    def on_step_begin(self, trainer, batch):
        assert isinstance(batch, (tuple, list)) and len(batch[0]) == 4
        self._tell("step_begin", trainer)

    def on_step_end(self, trainer, loss):
        assert loss.shape == ()
        self._tell("step_end", trainer)


def test_hooks_are_called_in_their_order_and_callbacks_in_theirs():
    told = []
    fit(trainer_of(), Teller("a", told), Teller("b", told))
    step = ["step_begin", "step_end"]
    epoch = ["epoch_begin", *step * 3, "epoch_end"]
    hooks = ["fit_begin", *epoch * 2, "fit_end"]
    assert [entry[1] for entry in told[::2]] == hooks
    assert [entry[0] for entry in told] == ["a", "b"] * len(hooks)
    assert [t[1:] for t in told[::2]] == [t[1:] for t in told[1::2]]
    ends = [entry[2:] for entry in told[::2] if entry[1] == "epoch_end"]
    assert ends == [(1, 3), (2, 6)]


def test_hooks_that_are_not_overridden_are_not_called():
    assert hooks_of([gt.Callback(), gt.EarlyStopping()])["on_step_end"] == []
    hooks = hooks_of([gt.Callback()])
    assert list(hooks) == list(HOOKS) and not any(hooks.values())
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))])
    per_epoch = hooks_of([gt.LRScheduler(StepLR(optimizer, 1))])
    per_step = hooks_of([gt.LRScheduler(StepLR(optimizer, 1), per="step")])
    assert not per_epoch["on_step_end"] and len(per_epoch["on_epoch_end"]) == 1
    assert not per_step["on_epoch_end"] and len(per_step["on_step_end"]) == 1


def test_any_object_with_a_hook_is_a_callback():
    class Duck:
        called = 0

        def on_epoch_end(self, trainer):
            self.called += 1

    duck = Duck()
    fit(trainer_of(), duck)
    assert duck.called == 2


def test_what_would_never_be_called_is_refused():
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))])
    with pytest.raises(ConfigError, match=r"StepLR has none(.|\n)*LRScheduler\(sched"):
        hooks_of([StepLR(optimizer, 1)])
    with pytest.raises(ConfigError, match="type int has none of the hooks"):
        hooks_of([1])
    with pytest.raises(ConfigError, match=r"class EarlyStopping itself"):
        hooks_of([gt.EarlyStopping])


def test_fit_end_is_called_after_an_error():
    class Fails(gt.Callback):
        def on_step_end(self, trainer, loss):
            raise KeyError("mine")

    told = []
    with pytest.raises(KeyError, match="mine"):
        fit(trainer_of(), Fails(), Teller("a", told))
    assert told[-1][1] == "fit_end"


def test_fit_end_of_all_is_called_though_that_of_one_fails():
    class Fails(gt.Callback):
        def on_fit_end(self, trainer):
            raise KeyError("mine")

    told, trainer = [], trainer_of()
    with pytest.raises(KeyError, match="mine"):
        fit(trainer, Fails(), Teller("a", told))
    assert told[-1][1] == "fit_end"
    assert trainer.plan is None
    assert fit(trainer)["epoch"] == [1, 2, 3, 4]


def test_a_misspelt_hook_is_refused():
    class Misspelt(gt.Callback):
        def on_epoch_ends(self, trainer): ...

    with pytest.raises(ConfigError, match=r"'on_epoch_ends'.*mean 'on_epoch_end'"):
        hooks_of([Misspelt()])
