"""What a run promises to a loop of one's own, beside the bits (tests/faults)."""

import copy
import math
import signal
import threading

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim import lr_scheduler as schedules
from torch.optim.lr_scheduler import OneCycleLR, SequentialLR, StepLR
from torch.optim.swa_utils import SWALR
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    TensorDataset,
)

import gradatim as gt
from gradatim.errors import (
    ConfigError,
    DamagedError,
    DataError,
    ResumeError,
    RunError,
    RunLockedError,
)
from gradatim.run.checkpoint import Checkpoints
from gradatim.store.lines import read_rows
from tests.bits import assert_same_bits, random_state
from tests.run.forms import (
    Rows,
    Stream,
    X,
    Y,
    at_step,
    error,
    is_locked,
    loop,
    momentum_of,
    names_in,
    network,
    record_of,
    states,
)

# --- Begun, gone on with, ended -------------------------------------------------------


def test_history_of_a_loop_is_that_of_all_processes(tmp_path):
    run = loop(tmp_path / "whole", epochs=2)[0]
    with pytest.raises(KeyError):
        loop(tmp_path / "x", at=at_step(5, error), every_steps=2)
    again = loop(tmp_path / "x")[0]
    assert again.history == run.history
    assert again.history["step"] == [1, 2, 3, 4, 5, 6]
    assert again.history["epoch"] == [1, 1, 1, 2, 2, 2]
    rows = list(read_rows(tmp_path / "x" / "history.jsonl"))
    assert rows == run.history.to_dicts()


def test_a_loop_may_be_gone_through_again_by_the_same_run(tmp_path):
    whole = states(loop(tmp_path / "whole", epochs=3)[1:])
    run, model, optimizer = loop(tmp_path / "x", epochs=1)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    for batch in run.batches((X, Y), epochs=3, batch_size=4):
        train_step(*batch)
    assert_same_bits(states([model, optimizer]), whole)


def test_a_loop_equals_the_loop_without_a_run(tmp_path):
    found = states(loop(tmp_path)[1:])
    torch.manual_seed(0)
    model = network()
    optimizer = SGD(model.parameters(), lr=0.1)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    batches = gt.data.Batches((X, Y), batch_size=4)
    for epoch in range(2):
        for batch in batches.epoch(epoch):
            train_step(*batch)
    assert_same_bits(found, states([model, optimizer]))


def test_run_tells_where_it_stands(tmp_path):
    run = gt.Run(tmp_path / "x")
    assert (run.step, run.epoch, run.batch, run.epoch_ends) == (0, 0, 0, False)
    stands = []
    for batch in run.batches(X, epochs=2, batch_size=5):
        stands.append((run.step, run.epoch, run.batch, run.epoch_ends, len(batch)))
    assert stands == [
        (0, 0, 0, False, 5),
        (1, 0, 1, False, 5),
        (2, 0, 2, True, 2),
        (3, 1, 0, False, 5),
        (4, 1, 1, False, 5),
        (5, 1, 2, True, 2),
    ]
    assert (run.step, run.epoch, run.batch) == (6, 2, 0)


# --- By steps -------------------------------------------------------------------------


class Endless(IterableDataset):
    """Rows without an end, from any of them on."""

    row = 0

    def __iter__(self):
        while True:
            self.row += 1
            yield X[self.row % 12], Y[self.row % 12]

    def state_dict(self):
        return {"row": self.row}

    def load_state_dict(self, state):
        self.row = state["row"]


def stands(run, batches):
    return [(run.step, run.epoch, run.batch, run.epoch_ends) for _ in batches]


def test_epochs_of_a_stream_have_a_number_of_steps(tmp_path):
    run = gt.Run(tmp_path)
    batches = run.batches(Endless(), epochs=2, epoch_steps=2, batch_size=4)
    assert stands(run, batches) == [
        (0, 0, 0, False),
        (1, 0, 1, True),
        (2, 1, 0, False),
        (3, 1, 1, True),
    ]
    assert (run.step, run.epoch, run.batch) == (4, 2, 0)
    assert record_of(tmp_path).ended == "epochs"


def test_epochs_of_steps_go_through_all_rows_of_a_pass(tmp_path):
    run = gt.Run(tmp_path)
    batches = run.batches(torch.arange(12), epochs=3, epoch_steps=2, batch_size=4)
    passes = gt.data.Batches(torch.arange(12), batch_size=4)
    expected = [*passes.epoch(0), *passes.epoch(1)]
    assert all(map(torch.equal, batches, expected))
    assert (run.step, run.epoch) == (6, 3)


def test_updates_end_a_run_where_they_are_all(tmp_path, capsys):
    def seen(max_steps, epochs=None, **options):
        run = gt.Run(tmp_path)
        batches = run.batches(
            (X, Y), max_steps=max_steps, epochs=epochs, batch_size=4, **options
        )
        return [place[:3] for place in stands(run, batches)]

    assert seen(4) == [(0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 1, 0)]
    assert record_of(tmp_path).ended == "max_steps"
    assert (tmp_path / "model").exists() is True
    assert seen(4) == []
    told = capsys.readouterr().err
    assert "has ended: 4 of 4 steps. Nothing is left to do." in told
    assert seen(6) == [(4, 1, 1), (5, 1, 2)]  # the end of a pass, not gone through
    assert seen(7) == [(6, 2, 0)]
    assert seen(99, epochs=3) == [(7, 2, 1), (8, 2, 2)]
    assert record_of(tmp_path).ended == "epochs"
    assert seen(99, epochs=3) == []
    assert "has ended: 3 of 3 epochs. Nothing" in capsys.readouterr().err


def test_steps_of_an_epoch_must_not_change(tmp_path):
    def go(epoch_steps, **options):
        run = gt.Run(tmp_path, **options)
        steps = {"epoch_steps": epoch_steps, "max_steps": 9}
        return next(run.batches((X, Y), batch_size=4, **steps))

    go(5)
    with pytest.raises(ResumeError, match=r"batches\.epoch_steps: 5 -> 4"):
        go(4)
    with pytest.raises(ResumeError, match=r"batches\.epoch_steps: 5 -> none"):
        go(None)
    go(4, accept="config")


def test_a_pass_without_a_batch_is_refused(tmp_path):
    class Once(Stream):
        rows = iter(zip(X, Y, strict=True))

        def __iter__(self):
            return self.rows

    with pytest.raises(DataError, match="pass 2 over the data had no batch"):
        list(gt.Run(tmp_path).batches(Once(), max_steps=9, epoch_steps=2, batch_size=4))


def test_a_loop_must_know_its_end(tmp_path):
    with pytest.raises(ConfigError, match=r"neither epochs= nor max_steps="):
        gt.Run(tmp_path).batches((X, Y))


@pytest.mark.parametrize("name", ["max_steps", "epoch_steps"])
@pytest.mark.parametrize("value", [0, 1.5, True])
def test_steps_out_of_range_are_refused(name, value, tmp_path, unchecked):
    with pytest.raises(ConfigError, match=f"{name} must be a whole number from 1, got"):
        gt.Run(tmp_path).batches((X, Y), **{"epochs": 1, name: value})


@pytest.mark.parametrize(
    "place", [{"number": -1, "num_batches": 0}, {"number": 0, "num_batches": "x"}, {}]
)
def test_places_in_the_data_that_are_none_are_refused(place, tmp_path):
    loop(tmp_path, epochs=1)
    checkpoints = Checkpoints(tmp_path)
    newest, _ = checkpoints.newest()
    checkpoints.save(newest.header, newest.model, {**newest.state, "passes": place})
    with pytest.raises(DamagedError, match="a state that is not taken"):
        loop(tmp_path, epochs=2)


# --- Changed --------------------------------------------------------------------------


def test_accepted_rate_moves_along_with_its_schedule(tmp_path):
    def schedule(optimizer):
        return StepLR(optimizer, 3, gamma=0.1)

    options = {"schedule": schedule, "accept": "config"}
    _, _, optimizer = loop(tmp_path, epochs=1, lr=0.1, schedule=schedule)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)
    _, _, optimizer = loop(tmp_path, epochs=2, lr=0.2, **options)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.002)


def test_accepted_schedule_within_another_goes_on(tmp_path):
    def schedule(gamma):
        def make(optimizer):
            parts = [StepLR(optimizer, 1, gamma=gamma), StepLR(optimizer, 1)]
            return SequentialLR(optimizer, parts, milestones=[8])

        return make

    loop(tmp_path, epochs=1, schedule=schedule(0.5))
    with pytest.raises(ResumeError, match=r"_schedulers\.0\.gamma: 0\.5 -> 0\.25"):
        loop(tmp_path, epochs=2, schedule=schedule(0.25))
    options = {"schedule": schedule(0.25), "accept": "config"}
    _, _, optimizer = loop(tmp_path, epochs=2, **options)
    lr = 0.1 * 0.5**3 * 0.25**3
    assert optimizer.param_groups[0]["lr"] == pytest.approx(lr)


def sequence(optimizer):
    parts = [schedules.ConstantLR(optimizer), schedules.ExponentialLR(optimizer, 0.9)]
    return SequentialLR(optimizer, parts, milestones=[3])


def chain(optimizer):
    parts = [schedules.LinearLR(optimizer), schedules.CosineAnnealingLR(optimizer, 4)]
    return schedules.ChainedScheduler(parts, optimizer)


SCHEDULES = {
    "ChainedScheduler": chain,
    "ConstantLR": lambda optimizer: schedules.ConstantLR(optimizer, total_iters=4),
    "CosineAnnealingLR": lambda optimizer: schedules.CosineAnnealingLR(optimizer, 5),
    "CosineAnnealingWarmRestarts": lambda optimizer: (
        schedules.CosineAnnealingWarmRestarts(optimizer, 2, T_mult=2)
    ),
    "CyclicLR": lambda optimizer: schedules.CyclicLR(optimizer, 0.01, 0.1, 2),
    "ExponentialLR": lambda optimizer: schedules.ExponentialLR(optimizer, 0.9),
    "LambdaLR": lambda optimizer: schedules.LambdaLR(optimizer, lambda n: 0.9**n),
    "LinearLR": lambda optimizer: schedules.LinearLR(optimizer),
    "MultiStepLR": lambda optimizer: schedules.MultiStepLR(optimizer, [2, 2, 5]),
    "MultiplicativeLR": lambda optimizer: schedules.MultiplicativeLR(
        optimizer, lambda n: 0.9
    ),
    "OneCycleLR": lambda optimizer: OneCycleLR(optimizer, 0.1, total_steps=9),
    "PolynomialLR": lambda optimizer: schedules.PolynomialLR(optimizer, 4),
    "SWALR": lambda optimizer: SWALR(optimizer, 0.01, anneal_epochs=4),
    "SequentialLR": sequence,
    "StepLR": lambda optimizer: StepLR(optimizer, 2),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_goes_on(name, tmp_path):
    lrs = []

    def make(optimizer):
        lrs.append([])
        optimizer.register_step_post_hook(
            lambda *_: lrs[-1].append(optimizer.param_groups[0]["lr"])
        )
        return SCHEDULES[name](optimizer)

    options = {"schedule": make, "optimizer": momentum_of(0.9), "every_steps": 1}
    whole = states(loop(tmp_path / "whole", **options)[1:])
    with pytest.raises(KeyError):
        loop(tmp_path / "x", at=at_step(4, error), **options)
    assert_same_bits(states(loop(tmp_path / "x", **options)[1:]), whole)
    assert len(set(lrs[0])) > 1
    assert lrs[2] == lrs[0][3:]


def test_the_list_of_schedules_is_pytorchs_whole_list():
    found = set(schedules.__all__) - {"LRScheduler", "ReduceLROnPlateau"}
    assert found <= set(SCHEDULES)


# --- What cannot be exact -------------------------------------------------------------


def test_parameters_that_are_not_tracked_are_told(tmp_path, capsys):
    model, other = network(), nn.Linear(1, 1)
    optimizer = SGD([*model.parameters(), *other.parameters()], lr=0.1)
    run = gt.Run(tmp_path / "x")
    run.track(model=model, optimizer=optimizer)
    next(run.batches((X, Y), epochs=1))
    told = capsys.readouterr().err
    assert told.endswith(
        "will not be exact: SGD holds 2 parameters that are not saved\n"
    )
    run = gt.Run(tmp_path / "y")
    run.track(model=model, other=other, optimizer=optimizer)
    next(run.batches((X, Y), epochs=1))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "data",
    [
        Rows(),
        DataLoader(Rows(), 4),
        DataLoader(Rows(), 4, shuffle=True),
        DataLoader(Rows(), 4, sampler=RandomSampler(Rows())),
        DataLoader(TensorDataset(X, Y), 4, generator=torch.Generator(), shuffle=True),
        [(X[:4], Y[:4]), (X[4:], Y[4:])],
    ],
)
def test_what_can_be_exact_is_said_to_be(data, tmp_path, capsys):
    for epochs in (1, 2):
        loop(tmp_path, data=data, epochs=epochs, options={})
    err = capsys.readouterr().err
    assert err.endswith("resume is exact\n") and len(err.splitlines()) == 1


# --- When, and how many ---------------------------------------------------------------


def test_best_checkpoint_stays_and_its_weights_can_be_had(tmp_path):
    values = iter([3.0, 1.0, math.nan, 2.0, 1.0, 5.0, 7.0, 9.0, 4.0])
    kept, told = [], []

    def at(run):
        told.append(run.best(torch.tensor(next(values)), name="val_loss"))
        kept.append([p.detach().clone() for p in models[0].parameters()])

    models = [network()]
    run = loop(tmp_path, model=models[0], epochs=3, at=at, keep_last=1)[0]
    assert told == [True, True, *[False] * 7]
    assert names_in(tmp_path) == ["step-2", "step-9"]
    expected = {"step": 2, "epoch": 1, "name": "val_loss", "value": 1.0}
    assert run.load_best() == expected
    assert all(map(torch.equal, models[0].parameters(), kept[1]))
    other = network()
    assert gt.Run(tmp_path).load_best(other) == expected
    assert all(map(torch.equal, other.parameters(), kept[1]))


def test_best_step_is_saved_and_no_other_for_it(tmp_path):
    values = iter([3.0, 1.0, 2.0, 2.0, 0.5, 2.0])
    loop(tmp_path, at=lambda run: run.best(next(values)), keep_last=99)
    assert names_in(tmp_path) == [f"step-{n}" for n in (0, 1, 2, 5, 6)]


def test_best_is_of_one_value(tmp_path):
    def at(run):
        run.best(1.0, name="val_loss")
        run.best(2.0, name="accuracy", mode="max")

    with pytest.raises(ConfigError, match=r"given 'accuracy', .* 'val_loss'(.|\n)*log"):
        loop(tmp_path, at=at)


def test_without_a_best_step_none_can_be_had(tmp_path):
    run = gt.Run(tmp_path / "x")
    with pytest.raises(RunError, match=r"no best step\.(.|\n)*Run\(monitor=\.\.\.\)"):
        run.load_best(network())
    loop(tmp_path / "x")
    with pytest.raises(RunError, match="no best step"):
        gt.Run(tmp_path / "x").load_best(network())


def test_best_of_a_step_that_was_broken_off_is_none(tmp_path):
    run = gt.Run(tmp_path)
    model = network()
    run.track(model=model)
    for _ in run.batches((X, Y), epochs=1, batch_size=4):
        if run.best(run.step):
            continue
        break
    assert run.load_best()["step"] == 1
    for _ in run.batches((X, Y), epochs=1, batch_size=4):
        assert run.best(-1.0)
        break
    assert run.load_best()["step"] == 1


def test_own_configuration_is_told_apart_by_what_it_says(tmp_path):
    class Thing:
        pass

    def function():
        pass

    things = [torch.float32, Thing(), Thing, function, lambda: 0, {1: (2, math.inf)}]
    for _ in range(2):
        run = gt.Run(tmp_path, config={"things": [*things, torch.zeros(200)]})
        list(run.batches((X, Y), epochs=1))
        things[1] = Thing()  # of another address
    with pytest.raises(ResumeError, match=r"own\.things: "):
        next(gt.Run(tmp_path, config={"things": [1]}).batches((X, Y), epochs=2))


@pytest.mark.parametrize("epochs", [0, 1.5, True])
def test_epochs_out_of_range_are_refused(epochs, tmp_path, unchecked):
    with pytest.raises(ConfigError, match="a whole number from 1, got"):
        gt.Run(tmp_path).batches((X, Y), epochs=epochs)


# --- Broken off -----------------------------------------------------------------------


def test_a_batch_that_a_break_leaves_is_not_done(tmp_path):
    whole = states(loop(tmp_path / "whole")[1:])
    model = network()
    optimizer = SGD(model.parameters(), lr=0.1)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    run = gt.Run(tmp_path / "x", every_steps=1)
    run.track(model=model, optimizer=optimizer)
    torch.manual_seed(0)
    model.load_state_dict(network().state_dict())
    seen = []
    for _ in range(3):
        for batch in run.batches((X, Y), epochs=2, batch_size=4):
            train_step(*batch)
            seen.append(run.step)
            if len(seen) in (2, 5):
                break
        assert not is_locked(tmp_path / "x")
    assert seen == [0, 1, 1, 2, 3, 3, 4, 5]
    assert_same_bits(states([model, optimizer]), whole)


def test_second_run_of_a_process_takes_over(tmp_path):
    """A cell that is run again makes another Run while the first is not done."""
    first = gt.Run(tmp_path, every_steps=1).batches((X, Y), epochs=1, batch_size=4)
    next(first)
    second = gt.Run(tmp_path, every_steps=1).batches((X, Y), epochs=1, batch_size=4)
    next(second)
    with pytest.raises(RunLockedError, match="a newer Run of this process"):
        next(first)
    assert len(list(second)) == 2
    assert record_of(tmp_path).ended == "epochs"


def test_loop_that_an_error_left_half_done_does_not_hear_the_signals(tmp_path):
    old = gt.Run(tmp_path / "old")
    kept = old.batches((X, Y), epochs=1, batch_size=4)  # as a traceback keeps it
    next(kept)
    for run in (gt.Run(tmp_path / "new"), old):
        done = 0
        with pytest.raises(KeyboardInterrupt):
            for _ in run.batches((X, Y), epochs=1, batch_size=4):
                done += 1
                signal.raise_signal(signal.SIGINT)
        assert done == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert list(kept) == []


def test_loop_in_a_thread_touches_no_signals(tmp_path):
    ended = []
    thread = threading.Thread(target=lambda: ended.append(loop(tmp_path)[0].step))
    thread.start()
    thread.join()
    assert ended == [6]


# --- Rows -----------------------------------------------------------------------------


def test_rows_hold_what_is_no_number_of_json(tmp_path):
    def at(run):
        run.log(nan=math.nan, inf=-math.inf, text="naïve \u2028", none=None, flag=True)
        run.log(array=np.float32(0.5), count=np.int64(3), tensor=torch.ones(1))

    loop(tmp_path, epochs=1, at=at)
    history = loop(tmp_path, epochs=1)[0].history
    assert [math.isnan(v) for v in history["nan"] if v is not None] == [True] * 3
    assert history["inf"].count(-math.inf) == 3
    assert history["text"][1] == "naïve \u2028" and history["flag"][1] is True
    assert history["array"][2] == 0.5 and type(history["count"][2]) is int
    assert history["tensor"][2] == 1.0


@pytest.mark.parametrize("value", [torch.zeros(2), np.zeros(2), [torch.zeros(1)]])
def test_rows_refuse_what_they_cannot_hold(value, tmp_path):
    with pytest.raises(ConfigError, match=r"x(.|\n)*holds numbers, texts"):
        loop(tmp_path, at=lambda run: run.log(x=value))


def test_outside_of_the_loop_nothing_can_be_noted(tmp_path):
    run = gt.Run(tmp_path)
    for call in (lambda: run.log(x=1), lambda: run.best(1.0)):
        with pytest.raises(RunError, match=r"outside of a loop(.|\n)*epoch_ends"):
            call()
    loop(tmp_path, run=run)
    for call in (lambda: run.log(x=1), lambda: run.best(1.0)):
        with pytest.raises(RunError, match="outside of a loop"):
            call()
    assert len(run.history["step"]) == 6


# --- What a loop tracks ---------------------------------------------------------------


def test_what_has_no_state_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"track\(rate=\.\.\.\) is a float without"):
        gt.Run(tmp_path).track(rate=0.1)


def test_none_and_nothing_can_be_tracked(tmp_path):
    run = gt.Run(tmp_path)
    run.track(scaler=None)
    assert len(list(run.batches((X, Y), epochs=1, batch_size=4))) == 3


def test_a_generator_of_the_users_own_goes_on(tmp_path):
    def draws(path, stop=None, seed=0):
        generator = torch.Generator().manual_seed(seed)
        run = gt.Run(path, every_steps=1)
        run.track(noise=generator)
        found = []
        for _ in run.batches((X, Y), epochs=2, batch_size=4):
            found.append(torch.rand(1, generator=generator).item())
            if len(found) == stop:
                break
        return found

    whole = draws(tmp_path / "whole")
    assert [*draws(tmp_path / "x", 3)[:2], *draws(tmp_path / "x", seed=9)] == whole


@pytest.mark.parametrize("gradients", [True, False])
def test_gradients_are_kept_unless_they_are_not_wanted(gradients, tmp_path):
    def train(path, stop=None):
        torch.manual_seed(0)
        model = nn.Embedding(12, 1, sparse=True)
        run = gt.Run(path, every_steps=1)
        run.track(model=model, gradients=gradients)
        for rows in run.batches(torch.arange(12), epochs=1, batch_size=4):
            if run.step == stop:
                break
            model(rows).pow(2).sum().backward()
        return model.weight.grad.to_dense()

    whole = train(tmp_path / "whole")
    train(tmp_path / "x", stop=2)
    assert torch.equal(train(tmp_path / "x"), whole) is gradients


def test_batches_without_rows_are_gone_through(tmp_path):
    loader = DataLoader(["a", "b", "c"], batch_size=2, collate_fn="".join)
    run = gt.Run(tmp_path / "x")
    assert list(run.batches(loader, epochs=2)) == ["ab", "c"] * 2
    assert record_of(tmp_path / "x").samples == 0


def test_epoch_without_a_batch_is_refused(tmp_path):
    class Once(Stream):
        rows = iter(zip(X, Y, strict=True))

        def __iter__(self):
            return self.rows

    run = gt.Run(tmp_path)
    with pytest.raises(DataError, match=r"epoch 2 had no batch\.(.|\n)*exhausted"):
        list(run.batches(Once(), epochs=3, batch_size=4))
    assert record_of(tmp_path).step == 0


def test_modules_are_saved_under_their_names(tmp_path):
    run = gt.Run(tmp_path)
    a, b = nn.Linear(1, 1), nn.Linear(1, 1)
    run.track(a=a, b=b)
    list(run.batches((X, Y), epochs=1, batch_size=4))
    run = gt.Run(tmp_path)
    others = nn.Linear(1, 1), nn.Linear(1, 1)
    run.track(a=others[0], b=others[1])
    list(run.batches((X, Y), epochs=1, batch_size=4))
    assert_same_bits(states(others), states([a, b]))


def test_run_moves_no_generator(tmp_path, unchecked):
    loader = DataLoader(Rows(), 4, generator=torch.Generator())
    before = random_state()
    for data in ((X, Y), Rows(), loader):
        run = gt.Run(tmp_path / type(data).__name__, every_steps=1)
        options = {} if data is loader else {"batch_size": 4}
        list(run.batches(data, epochs=2, **options))
    assert_same_bits(random_state(), before)


# --- States that lack something -------------------------------------------------------


def chained(optimizer):
    parts = [StepLR(optimizer, 4, gamma=0.5), schedules.ExponentialLR(optimizer, 0.9)]
    return schedules.ChainedScheduler(parts, optimizer=optimizer)


def part_of_a_loop(path, *, stop_after=None):
    """Go through three epochs of three steps, or a part; give the last rate."""
    torch.manual_seed(0)
    model = network()
    optimizer = SGD(model.parameters(), lr=0.1)
    scheduler = chained(optimizer)
    run = gt.Run(path, every_steps=2, every_s=None)
    run.track(model=model, optimizer=optimizer, scheduler=scheduler)
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    for x, y in run.batches((X, Y), batch_size=4, epochs=3, seed=1):
        train_step(x, y)
        scheduler.step()
        if run.step + 1 == stop_after:
            break
    return optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("missing", ["nothing", "the position", "a whole state"])
def test_schedule_within_another_must_have_its_whole_state(missing, tmp_path, capsys):
    whole = part_of_a_loop(tmp_path / "whole")
    part_of_a_loop(tmp_path / "x", stop_after=7)
    checkpoints = Checkpoints(tmp_path / "x")
    newest, _ = checkpoints.newest()
    state = copy.deepcopy(newest.state)
    inner = state["tracked"]["scheduler"]["_schedulers"]
    if missing == "the position":
        del inner[0]["last_epoch"]
    if missing == "a whole state":
        inner[0] = {}
    checkpoints.save(newest.header, newest.model, state)
    if missing == "nothing":
        assert part_of_a_loop(tmp_path / "x") == whole
        return
    history = (tmp_path / "x" / "history.jsonl").read_bytes()
    with pytest.raises(DamagedError, match=r"_schedulers\.0"):
        part_of_a_loop(tmp_path / "x")
    assert (tmp_path / "x" / "history.jsonl").read_bytes() == history


def test_a_run_of_another_kind_may_write_no_model(tmp_path):
    class Bare(gt.Run):
        exports = False

    loop(tmp_path, run=Bare(tmp_path), epochs=1)
    assert not (tmp_path / "model").exists()
