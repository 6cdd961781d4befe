"""Groups that were added to an optimizer, and optimizers that hold something else."""

import re

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import CyclicLR

import gradatim as gt
from gradatim.errors import ConfigError, DamagedError, ResumeError
from gradatim.run.checkpoint import Checkpoints
from gradatim.run.groups import Groups
from tests.bits import assert_same_bits
from tests.run.forms import X, Y, states


def parts(seed=0, optimizer=Adam, named=False):
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    last = model[2]
    parameters = last.named_parameters() if named else last.parameters()
    return model, optimizer(parameters, lr=0.05)


def add_first(model, optimizer, named=False):
    layer = model[0]
    params = layer.named_parameters() if named else layer.parameters()
    optimizer.add_param_group({"params": list(params), "lr": 0.01})


def extend_first(model, optimizer, named=False):
    optimizer.param_groups[0]["params"] += list(model[0].parameters())


def trained(path, change, *, at=4, stop=None, seed=0, objects=None, named=False, **run):
    """Loop with a change before a step; give model and optimizer."""
    model, optimizer = objects or parts(seed, named=named)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    run = gt.Run(path, every_steps=1, **run)
    run.track(train_step)
    for batch in run.batches((X, Y), epochs=3, batch_size=4):
        if run.step == at:
            change(model, optimizer)
        train_step(*batch)
        if run.step == stop:
            break
    return model, optimizer


@pytest.mark.usefixtures("unchecked")  # a checkpoint has many values
@pytest.mark.parametrize("change", [add_first, extend_first])
@pytest.mark.parametrize("stop", [3, 4, 5, 8])
def test_what_was_added_is_there_again(change, stop, tmp_path, capsys):
    whole = states(trained(tmp_path / "whole", change))
    trained(tmp_path / "x", change, stop=stop)
    found = states(trained(tmp_path / "x", change, seed=9))
    assert_same_bits(found, whole)
    assert "resume is exact" in capsys.readouterr().err


def test_named_parameters_are_added_with_their_names(tmp_path):
    def change(model, optimizer):
        add_first(model, optimizer, named=True)

    whole = states(trained(tmp_path / "whole", change, named=True))
    trained(tmp_path / "x", change, stop=6, named=True)
    found = states(trained(tmp_path / "x", change, seed=9, named=True))
    assert found[1]["param_groups"][1]["param_names"] == ["weight", "bias"]
    assert_same_bits(found, whole)


@pytest.mark.parametrize("change", [add_first, extend_first])
def test_in_one_process_it_goes_back_to_before_the_change(change, tmp_path):
    whole = states(trained(tmp_path / "whole", change))
    objects = parts()
    trained(tmp_path / "x", change, stop=5, objects=objects)
    for name in Checkpoints(tmp_path / "x").names()[:2]:  # those after the change
        (tmp_path / "x" / "checkpoints" / name / "manifest.json").write_text("damaged")
    assert_same_bits(states(trained(tmp_path / "x", change, objects=objects)), whole)


def test_schedule_that_was_told_of_the_group_goes_on(tmp_path):
    """Its lists have an entry for each group, and grow by hand."""

    def train(path, stop=None, seed=0):
        model, optimizer = parts(seed)
        schedule = CyclicLR(optimizer, 0.01, 0.1, 2, cycle_momentum=False)
        train_step = gt.make_train_step(
            model, nn.MSELoss(), optimizer, lr_scheduler=schedule
        )
        run = gt.Run(path, every_steps=1)
        run.track(train_step)
        for batch in run.batches((X, Y), epochs=3, batch_size=4):
            if run.step == 4:
                add_first(model, optimizer)
                schedule.base_lrs.append(0.001)
                schedule.max_lrs.append(0.01)
            train_step(*batch)
            if run.step == stop:
                break
        return model, optimizer, schedule

    whole = states(train(tmp_path / "whole"))
    train(tmp_path / "x", stop=6)
    assert_same_bits(states(train(tmp_path / "x", seed=9)), whole)


# --- Refused --------------------------------------------------------------------------


def add_stray(model, optimizer):
    optimizer.add_param_group({"params": [nn.Parameter(torch.zeros(2))]})


def replace_groups(model, optimizer):
    optimizer.param_groups[0]["params"] = list(model[0].parameters())


def drop_a_parameter(model, optimizer):
    del optimizer.param_groups[0]["params"][1]


@pytest.mark.parametrize(
    "change, message",
    [
        (add_stray, r"optimizer \(Adam\) has in its group 1 a tensor .* of no module"),
        (
            replace_groups,
            r"in group 0 model\.0\.weight stands in the place of model\.2",
        ),
        (drop_a_parameter, r"in group 0 no more stands in the place of model\.2\.bias"),
    ],
)
def test_change_that_could_not_be_made_again_is_not_saved(change, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        trained(tmp_path, change)
    assert Checkpoints(tmp_path).newest_header().step == 4


def test_fresh_optimizer_with_other_parameters_is_refused_by_name(tmp_path):
    def train(order):
        layers = [nn.Linear(2, 2), nn.Linear(2, 2)]
        model = nn.Sequential(*layers)
        parameters = [p for index in order for p in layers[index].parameters()]
        optimizer = Adam(parameters, lr=0.05)
        run = gt.Run(tmp_path, every_steps=1)
        train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
        run.track(train_step)
        for batch in run.batches((X, X), epochs=1, batch_size=4):
            train_step(*batch)
            if run.step == 1:
                break

    train([0, 1])
    message = r"group 0 has model\.1\.weight in the place of model\.0\.weight"
    with pytest.raises(ResumeError, match=message):
        train([1, 0])
    train([0, 1])


@pytest.mark.parametrize(
    "names, error",
    [
        ([["model.2.weight", "model.2.bias"], ["model.9"]], "no module of the run has"),
        ([["model.2.weight", "model.2.bias"], ["model.2.bias"]], "more than one"),
        ([["model.2.weight", "model.2.bias", "model.2.bias"]], "stands twice"),
        ([["model.2.weight", "model.2.bias"], [None]], "no module of the run has None"),
    ],
)
def test_names_that_no_run_saves_are_refused(names, error, tmp_path):
    trained(tmp_path, lambda *_: None, stop=2)
    checkpoints = Checkpoints(tmp_path)
    newest, _ = checkpoints.newest()
    state = {**newest.state, "groups": {"optimizer": names}}
    checkpoints.save(newest.header, newest.model, state)
    with pytest.raises(DamagedError, match=re.escape(error)):
        trained(tmp_path, lambda *_: None)


def test_options_of_an_added_group_are_of_their_kinds(tmp_path):
    trained(tmp_path, add_first, stop=6)
    checkpoints = Checkpoints(tmp_path)
    newest, _ = checkpoints.newest()
    newest.state["tracked"]["optimizer"]["param_groups"][1]["lr"] = "much"
    checkpoints.save(newest.header, newest.model, newest.state)
    with pytest.raises(DamagedError, match="'much', not like 0"):
        trained(tmp_path, add_first)


def test_accepted_rate_leaves_that_of_an_added_group(tmp_path):
    def train(lr, **options):
        model, _ = parts()
        optimizer = SGD(model[2].parameters(), lr=lr)
        return trained(tmp_path, add_first, objects=(model, optimizer), **options)

    train(0.05, stop=6)
    _, optimizer = train(0.5, accept="config")
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.01]


def test_groups_tell_each_parameter_by_its_module():
    model, optimizer = parts()
    loss = nn.Linear(1, 1)
    optimizer.add_param_group({"params": [loss.weight, torch.zeros(1)]})
    groups = Groups({"optimizer": optimizer}, {"model": model, "loss_fn": loss})
    assert groups.state_dict() == {
        "optimizer": [["model.2.weight", "model.2.bias"], ["loss_fn.weight", None]]
    }
