"""What is frozen, and what is in eval mode, is part of a run's state."""

import pytest
import torch
from torch import nn
from torch.optim import SGD

import gradatim as gt
from gradatim.errors import DamagedError, ResumeError
from gradatim.run.checkpoint import Checkpoints
from tests.bits import assert_same_bits
from tests.run.forms import At, X, Y, error, states


def made(seed=0, frozen=True):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    model[0].requires_grad_(not frozen)
    return model, SGD(model.parameters(), lr=0.1, momentum=0.9)


def unfreeze(model):
    model[0].requires_grad_(True)


def keep_norm(model):
    model[1].eval()


def both(model):
    unfreeze(model)
    keep_norm(model)


def loop(path, change=None, *, at=4, stop=None, objects=None, epochs=3, **run):
    model, optimizer = objects or made()
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    run = gt.Run(path, every_steps=1, **run)
    run.track(train_step)
    for batch in run.batches((X, Y), epochs=epochs, batch_size=4):
        if change is not None and run.step == at:
            change(model)
        train_step(*batch)
        if run.step == stop:
            break
    return model, optimizer


def look(model):
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    return frozen, [part.training for part in model.modules()]


class Changes(gt.Callback):
    """Changes the model once, and remembers that it did."""

    def __init__(self, change):
        self.change, self.done = change, False

    def state_dict(self):
        return {"done": self.done}

    def load_state_dict(self, state):
        self.done = state["done"]

    def on_epoch_begin(self, trainer):
        if trainer.epoch == 1 and not self.done:
            self.change(trainer.model)
            self.done = True


class Stops(At):
    only_watches = True

    def __init__(self, step):
        super().__init__(step, error)


def fit(path, change, *, stop=None, objects=None):
    model, optimizer = objects or made()
    gt.Trainer(model, nn.MSELoss(), optimizer).fit(
        (X, Y),
        epochs=3,
        batch_size=4,
        callbacks=[Changes(change), Stops(stop), gt.Run(path, every_steps=1)],
        progress=False,
    )
    return model, optimizer


@pytest.mark.usefixtures("unchecked")  # a checkpoint has many values
@pytest.mark.parametrize("change", [unfreeze, keep_norm, both])
@pytest.mark.parametrize("stop", [2, 4, 7])
def test_what_was_changed_on_the_way_is_there_again(change, stop, tmp_path, capsys):
    for form in (loop, fit):
        folder = tmp_path / form.__name__
        whole = form(folder / "whole", change)
        if form is loop:
            loop(folder / "x", change, stop=stop)
        else:
            with pytest.raises(KeyError):
                fit(folder / "x", change, stop=stop)
        found = form(folder / "x", change, objects=made(9))
        assert_same_bits(states(found), states(whole))
        assert look(found[0]) == look(whole[0])
        assert "resume is exact" in capsys.readouterr().err


def test_what_a_process_freezes_from_the_start_must_not_change(tmp_path):
    loop(tmp_path, stop=3)
    told = r"model\.frozen: \['0\.weight', '0\.bias'\] -> \[\]"
    with pytest.raises(ResumeError, match=told):
        loop(tmp_path, objects=made(frozen=False))
    model, _ = loop(tmp_path, objects=made(frozen=False), accept="config")
    assert look(model)[0] == []


def test_a_broken_off_loop_goes_back_to_before_the_change(tmp_path):
    whole = states(loop(tmp_path / "whole", unfreeze))
    objects = made()
    loop(tmp_path / "x", unfreeze, stop=4, objects=objects)
    for name in Checkpoints(tmp_path / "x").names()[:2]:
        manifest = tmp_path / "x" / "checkpoints" / name / "manifest.json"
        manifest.write_text("damaged")
    assert_same_bits(states(loop(tmp_path / "x", unfreeze, objects=objects)), whole)


def test_what_is_changed_by_hand_between_two_loops_stays(tmp_path):
    def train(path, seed=0, stop=None):
        objects = made(seed)
        loop(path, epochs=1, objects=objects)
        both(objects[0])
        loop(path, epochs=3, objects=objects, stop=stop)
        return objects

    whole = train(tmp_path / "whole")
    assert look(whole[0]) == ([], [True, True, False, True])
    train(tmp_path / "x", stop=5)
    assert_same_bits(states(train(tmp_path / "x", seed=9)), states(whole))


def test_checkpoints_that_do_not_know_modes_are_gone_on_from(tmp_path, capsys):
    loop(tmp_path, stop=3)
    checkpoints = Checkpoints(tmp_path)
    newest, _ = checkpoints.newest()
    for name in ("modes", "groups"):
        del newest.state[name]
    del newest.header.config["model"]["frozen"]
    checkpoints.save(newest.header, newest.model, newest.state)
    model, _ = loop(tmp_path)
    assert look(model)[0] == ["0.weight", "0.bias"]
    assert "resume is exact" in capsys.readouterr().err


@pytest.mark.parametrize(
    "modes", [{"frozen": ["9"], "eval": []}, {"frozen": [], "eval": "1"}, [], {}]
)
def test_modes_of_what_is_not_there_are_refused(modes, tmp_path):
    loop(tmp_path, stop=3)
    checkpoints = Checkpoints(tmp_path)
    newest, _ = checkpoints.newest()
    newest.state["modes"]["model"] = modes
    checkpoints.save(newest.header, newest.model, newest.state)
    with pytest.raises(DamagedError, match="a state that is not taken"):
        loop(tmp_path)
