"""A train step is enough to track; what is tracked must stay the same object."""

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import StepLR

import gradatim as gt
from gradatim.errors import ConfigError, DamagedError, ResumeError
from gradatim.run.checkpoint import Checkpoints
from tests.bits import assert_same_bits
from tests.run.forms import At, X, Y, fit, network, states


class Learned(nn.Module):
    """A loss with a weight that trains."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(()))

    def forward(self, predictions, targets):
        errors = nn.functional.mse_loss(predictions, targets)
        return errors * self.weight.exp() - self.weight


def made(seed=0, *, loss_fn=None, **options):
    torch.manual_seed(seed)
    model, loss_fn = network(), loss_fn or Learned()
    optimizer = Adam([*model.parameters(), *loss_fn.parameters()], lr=0.05)
    schedule = StepLR(optimizer, 2)
    options.setdefault("lr_scheduler", schedule)
    return gt.make_train_step(model, loss_fn, optimizer, **options)


def track_alone(run, step):
    run.track(step)


def track_by_name(run, step):
    run.track(step=step)


def track_with_parts(run, step):
    run.track(model=step.model, optimizer=step.optimizer, step=step)


def trained(path, step, track=track_alone, *, stop=None, at=None, **run):
    run = gt.Run(path, every_steps=1, **run)
    track(run, step)
    for batch in run.batches((X, Y), epochs=3, batch_size=4):
        if at is not None and run.step == 4:
            at(step)
        step(*batch)
        if run.step == stop:
            break
    return [
        *states([step.model, step.optimizer, step.lr_scheduler, step.given_loss_fn]),
        step.num_steps,
        step.max_norm,
    ]


@pytest.mark.usefixtures("unchecked")  # a checkpoint has many values
@pytest.mark.parametrize("track", [track_alone, track_by_name, track_with_parts])
@pytest.mark.parametrize("stop", [0, 5])
def test_a_step_goes_on_with_all_it_moves(track, stop, tmp_path, capsys):
    whole = trained(tmp_path / "whole", made(), track)
    trained(tmp_path / "x", made(), track, stop=stop)
    assert_same_bits(trained(tmp_path / "x", made(9), track), whole)
    assert "resume is exact" in capsys.readouterr().err


def test_what_is_tracked_twice_is_saved_once(tmp_path):
    for name, track in (("one", track_alone), ("two", track_with_parts)):
        trained(tmp_path / name, made(), track)
    one, two = (Checkpoints(tmp_path / name).newest()[0] for name in ("one", "two"))
    assert list(one.model) == list(two.model) == list(network().state_dict())
    assert set(one.state["tracked"]) == {"optimizer", "lr_scheduler", "train_step"}
    assert set(two.state["tracked"]) == {"optimizer", "lr_scheduler", "step"}
    for state in (one.state, two.state):
        assert "optimizer" not in state["tracked"].popitem()[1]


def test_two_steps_have_names_of_their_own(tmp_path):
    def train(seed, stop=None):
        a, b = made(seed), made(seed + 1)
        run = gt.Run(tmp_path / "x", every_steps=1)
        run.track(a, other=b)
        for batch in run.batches((X, Y), epochs=2, batch_size=4):
            a(*batch)
            b(*batch)
            if run.step == stop:
                break
        return states([a.model, b.model, a.optimizer, b.optimizer])

    train(0, stop=3)
    train(5)
    newest = Checkpoints(tmp_path / "x").newest()[0]
    assert {name.partition(".")[0] for name in newest.model} == {
        "train_step_model",
        "other_model",
    }
    assert "other_optimizer" in newest.state["tracked"]


def test_model_of_a_step_is_the_model_of_the_run(tmp_path):
    step = made()
    run = gt.Run(tmp_path)
    run.track(step)
    for batch in run.batches((X, Y), epochs=1, batch_size=4):
        step(*batch)
        run.best(-run.step)
    saved = {name: value.clone() for name, value in step.model.state_dict().items()}
    nn.init.zeros_(step.model[0].weight)
    run.load_best()
    assert_same_bits(dict(step.model.state_dict()), saved)
    loaded = gt.load(tmp_path, model=network())
    assert_same_bits(dict(loaded.state_dict()), saved)


@pytest.mark.parametrize(
    "change, told",
    [
        ({"max_norm": 1.0}, r"train_step\.max_norm: None -> 1\.0"),
        ({"loss_fn": nn.HuberLoss()}, r"train_step\.loss\.name: Learned -> HuberLoss"),
    ],
)
def test_changed_choices_of_a_step_are_refused(change, told, tmp_path):
    trained(tmp_path, made(), stop=3)
    with pytest.raises(ResumeError, match=told):
        trained(tmp_path, made(**change))


def test_accepted_loss_trains_with_its_own_numbers(tmp_path):
    trained(tmp_path, made(), stop=3)
    other = Learned()
    other.scale = 2.0  # an option
    with torch.no_grad():
        other.weight.fill_(5.0)
    step = made(loss_fn=other)
    run = gt.Run(tmp_path, accept="config")
    run.track(step)
    for _ in run.batches((X, Y), epochs=3, batch_size=4):
        assert other.weight.item() == 5.0
        break


# --- Options changed on the way -------------------------------------------------------


def change_options(step):
    step.max_norm = 0.01
    step.num_microbatches = 2


def test_options_that_were_changed_on_the_way_are_there_again(tmp_path, capsys):
    whole = trained(tmp_path / "whole", made(), at=change_options)
    trained(tmp_path / "x", made(), at=change_options, stop=6)
    assert_same_bits(trained(tmp_path / "x", made(9)), whole)
    assert whole[-1] == 0.01
    assert "resume is exact" in capsys.readouterr().err


def test_options_that_were_changed_in_a_fit_are_there_again(tmp_path):
    def changing(trainer):
        return [At(4, lambda: change_options(trainer.train_step))]

    whole = fit(tmp_path / "whole", epochs=3, callbacks=changing)
    with pytest.raises(KeyError):
        fit(
            tmp_path / "x",
            epochs=3,
            every_steps=1,
            callbacks=lambda trainer: [*changing(trainer), At(6, error)],
        )
    found = fit(tmp_path / "x", epochs=3, callbacks=lambda trainer: [At(99, error)] * 2)
    assert found.train_step.max_norm == 0.01
    assert_same_bits(states([found.model]), states([whole.model]))


def error():
    raise KeyError("mine")


@pytest.mark.parametrize("options", [{"max_norm": "x"}, {"num_microbatches": 0}])
def test_options_of_a_wrong_kind_are_refused(options, tmp_path):
    trained(tmp_path, made(), stop=2)
    checkpoints = Checkpoints(tmp_path)
    newest, _ = checkpoints.newest()
    newest.state["tracked"]["train_step"]["options"] |= options
    checkpoints.save(newest.header, newest.model, newest.state)
    with pytest.raises(DamagedError, match=f"{next(iter(options))} is "):
        trained(tmp_path, made())


# --- Refused --------------------------------------------------------------------------


def another(step):
    return Adam([*step.model.parameters(), *step.given_loss_fn.parameters()], lr=0.1)


def swap_optimizer(step):
    step.optimizer = another(step)


def swap_schedule(step):
    step.lr_scheduler = StepLR(step.optimizer, 3)


@pytest.mark.parametrize(
    "swap, place, kind",
    [
        (swap_optimizer, r"train_step\.optimizer", "Adam"),
        (swap_schedule, r"train_step\.lr_scheduler", "StepLR"),
    ],
)
def test_another_object_in_mid_run_is_refused_by_name(swap, place, kind, tmp_path):
    with pytest.raises(ConfigError, match=rf"{place} is another object \({kind}\)"):
        trained(tmp_path, made(), at=swap)
    assert Checkpoints(tmp_path).newest_header().step == 4


def swap_in(place):
    def swap(trainer):
        new = SGD(trainer.model.parameters(), lr=0.1)
        owner = trainer if place == "trainer.optimizer" else trainer.train_step
        owner.optimizer = new

    return swap


@pytest.mark.parametrize("place", ["trainer.optimizer", "trainer.train_step.optimizer"])
def test_another_optimizer_in_a_fit_is_refused_by_name(place, tmp_path):
    with pytest.raises(ConfigError, match=rf"{place} is another object \(SGD\)"):
        fit(
            tmp_path,
            every_steps=1,
            callbacks=lambda trainer: [At(4, lambda: swap_in(place)(trainer))],
        )
    assert Checkpoints(tmp_path).newest_header().step == 3


def test_another_schedule_of_a_callback_is_refused_by_name(tmp_path):
    def callbacks(trainer):
        scheduled = gt.LRScheduler(StepLR(trainer.optimizer, 3), per="step")

        def swap():
            scheduled.scheduler = StepLR(trainer.optimizer, 1)

        return [scheduled, At(4, swap)]

    with pytest.raises(ConfigError, match=r"LRScheduler\.scheduler is another object"):
        fit(tmp_path, every_steps=1, callbacks=callbacks)


@pytest.mark.parametrize(
    "value, cure",
    [
        (nn.Linear(1, 1), r"run\.track\(model=\.\.\.\)"),
        (SGD([nn.Parameter(torch.zeros(1))]), r"run\.track\(sgd=\.\.\.\)"),
    ],
)
def test_what_is_no_step_needs_a_name(value, cure, tmp_path, unchecked):
    with pytest.raises(ConfigError, match=cure):
        gt.Run(tmp_path).track(value)


def test_a_trainer_is_told_where_the_run_goes(tmp_path, unchecked):
    model = network()
    trainer = gt.Trainer(model, nn.MSELoss(), SGD(model.parameters(), lr=0.1))
    with pytest.raises(ConfigError, match=r"trainer\.fit\(\.\.\., callbacks=\[run\]\)"):
        gt.Run(tmp_path).track(trainer)
