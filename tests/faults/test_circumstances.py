"""Signals, two processes, clocks, moves, links, odd paths, masks and changed data."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from unittest import mock

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

import gradatim as gt
from gradatim.errors import DiskError, ResumeError, RunLockedError
from gradatim.rng import keeping_rng
from gradatim.run.checkpoint import Checkpoints
from tests.bits import assert_same_bits
from tests.faults.injection import (
    FORMS,
    Calls,
    Waiting,
    X,
    Y,
    check_ended,
    checkpoints_of,
    leftovers,
    mode_of,
    names_in,
    parts,
    trainer,
)
from tests.faults.processes import forked

STATUS = {signal.SIGTERM: 143, signal.SIGINT: 130}


@pytest.fixture(params=FORMS)
def train(request):
    return FORMS[request.param]


@pytest.fixture
def whole(train, folder):
    bits = train(folder / "whole")
    return bits, names_in(folder / "whole")


def at(step, function):
    """Give an ``on_step`` that calls ``function`` before a step."""
    return lambda now: function() if now == step else None


def send(number):
    os.kill(os.getpid(), number)
    signal.getsignal(number)  # Python handles it between two of its instructions


def heard(function):
    """Signals are ignored where the tests were begun in the background."""

    def call():
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        function()

    return call


def newest_step(run):
    found, damaged = Checkpoints(run).newest()
    assert damaged == []
    return found.header.step


# --- Signals ------------------------------------------------------------------------


@pytest.mark.parametrize("number", STATUS)
def test_signal_in_a_step_ends_after_it_with_a_checkpoint(train, whole, number, folder):
    run = folder / "run"

    def train_until_the_signal():
        train(run, every_steps=None, on_step=at(3, lambda: send(number)))

    assert forked(heard(train_until_the_signal)) == STATUS[number]
    assert newest_step(run) == 4 and leftovers(run) == []
    assert_same_bits(train(run), whole[0])
    check_ended(run, whole[1])


@pytest.mark.parametrize("epoch", [1, 2])
@pytest.mark.parametrize("number", STATUS)
def test_signal_in_validation_ends_after_the_epoch(number, epoch, folder):
    """In the last one, that ends the run as ever."""
    bits, run, seen = trainer(folder / "whole"), folder / "run", []

    def in_validation():
        seen.append(1)
        if len(seen) == 2 * epoch:  # of two batches
            send(number)

    def train_until_the_signal():
        trainer(run, every_steps=None, on_validation=in_validation)

    assert forked(heard(train_until_the_signal)) == STATUS[number]
    assert newest_step(run) == 3 * epoch and leftovers(run) == []
    assert (run / "model").exists() == (epoch == 2)
    assert_same_bits(trainer(run), bits)
    check_ended(run, names_in(folder / "whole"))


def check_signals_in_saves(train, whole, number, folder, every):
    """The save is finished, and the run goes on from it; so it is with the export."""
    train(folder / "warm")
    with Calls().patched() as passing:
        train(folder / "passing")
    status = []

    def send_and_do(real, *arguments, **options):
        send(number)
        return real(*arguments, **options)

    for call in range(1, len(passing.made) + 1, every):
        run = folder / "run"

        def train_until_the_signal(run=run, call=call):
            with Calls(call, send_and_do).patched():
                train(run)

        status.append(forked(heard(train_until_the_signal)))
        if status[-1] == STATUS[number]:
            assert leftovers(run) == [], call
            checkpoints_of(run)
        assert_same_bits(train(run), whole[0], f"call {call}")
        check_ended(run, whole[1])
        shutil.rmtree(run)
    # Before the lock is there, and after it is gone, nothing needs to be finished.
    unheard = [each for each in status if each != STATUS[number]]
    assert set(unheard) <= {-number} and len(unheard) <= 6


@pytest.mark.parametrize("number", STATUS)
def test_signal_in_a_save_lets_it_finish(train, whole, number, folder):
    check_signals_in_saves(train, whole, number, folder, every=11)


@pytest.mark.slow
@pytest.mark.parametrize("number", STATUS)
def test_signal_at_every_call_lets_a_save_finish(train, whole, number, folder):
    check_signals_in_saves(train, whole, number, folder, every=1)


# --- Two processes ------------------------------------------------------------------


def at_work(train):
    """A process in the middle of a training, until it is killed."""

    def train_until(wait):
        train(lambda step: wait() if step >= 3 else None)

    return Waiting(train_until)


def test_second_process_is_refused_and_a_killed_one_is_not_waited_for(
    train, whole, folder
):
    run = folder / "run"
    with at_work(lambda on_step: train(run, on_step=on_step)) as first:
        before = names_in(run)
        expected = (
            rf"{run} is being written to by process {first.process} on "
            rf"'{socket.gethostname()}'\.\n.*\nWait until it has ended, stop it, or"
        )
        for _ in range(2):
            with pytest.raises(RunLockedError, match=expected):
                train(run)
        assert names_in(run) == before
    assert_same_bits(train(run), whole[0])
    check_ended(run, whole[1])


class Rows(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, row):
        return X[row], Y[row]


def loop_with_workers(folder, on_step=lambda step: None):
    model, optimizer = parts()
    train_step = gt.make_train_step(model, nn.MSELoss(), optimizer)
    run = gt.Run(folder, every_steps=1)
    run.track(model=model, optimizer=optimizer)
    options = {"batch_size": 2, "num_workers": 2, "seed": 1}
    for batch in run.batches(Rows(), epochs=2, **options):
        on_step(run.step)
        train_step(*batch)
    return model.state_dict()


def children_of(process):
    with open(f"/proc/{process}/task/{process}/children") as file:
        return [int(each) for each in file.read().split()]


def is_running(process):
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_lock_of_a_killed_process_is_free_while_its_workers_live(folder):
    bits = loop_with_workers(folder / "whole")
    run = folder / "run"
    with at_work(lambda on_step: loop_with_workers(run, on_step)) as first:
        workers = children_of(first.process)
        assert len(workers) == 2
        for worker in workers:
            os.kill(worker, signal.SIGSTOP)  # so that they do not see it go
    try:
        assert all(map(is_running, workers))
        assert_same_bits(loop_with_workers(run), bits)
        assert all(map(is_running, workers))
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGKILL)


def test_two_runs_at_once_do_not_meet(train, whole, folder):
    found = []

    def train_the_other():
        with keeping_rng():
            found.append(train(folder / "other"))

    found.append(train(folder / "run", on_step=at(3, train_the_other)))
    check_ended(folder / "run", whole[1])
    check_ended(folder / "other", whole[1])
    for bits in found:
        assert_same_bits(bits, whole[0])


# --- Clocks and places --------------------------------------------------------------


def test_clock_that_is_set_back_changes_nothing(train, whole, folder):
    """Order is by step: neither the clock nor a file's time is looked at."""
    run, now = folder / "run", [2e9]

    def backwards():
        now[0] -= 1000
        return now[0]

    def stop(step):
        for path in sorted(run.rglob("*")):
            os.utime(path, (backwards(), now[0]))
        if step == 5:
            os._exit(0)

    with mock.patch("time.time", backwards):
        forked(lambda: train(run, on_step=stop, keep_last=3))
        there = [each.path for each in checkpoints_of(run)]
        assert len(there) == 3
        assert there == sorted(there, key=lambda path: -path.stat().st_mtime)
        assert newest_step(run) == 4
        assert_same_bits(train(run), whole[0])
    check_ended(run, whole[1])


def test_run_that_is_moved_goes_on(train, whole, folder):
    forked(lambda: train(folder / "run", on_step=at(5, lambda: os._exit(0))))
    shutil.move(folder / "run", folder / "elsewhere")
    assert_same_bits(train(folder / "elsewhere"), whole[0])
    check_ended(folder / "elsewhere", whole[1])
    assert not (folder / "run").exists()


NAMES = [
    "two words",
    "zwölf Läufe/運行 №1",
    "$HOME; rm 'x' \"y\"\n",
    "--run",
    "a" * 200,
    os.fsdecode(b"not utf-8 \xff"),
]


@pytest.mark.parametrize("move", [shutil.move, lambda run, _: shutil.rmtree(run)])
def test_run_that_is_moved_or_removed_while_it_trains_stops(move, train, folder):
    run = folder / "run"
    with pytest.raises(DiskError, match=rf"{run} cannot be written, No such file"):
        train(run, on_step=at(3, lambda: move(run, folder / "elsewhere")))
    assert not run.exists()


@pytest.mark.parametrize("name", NAMES)
def test_odd_paths(train, whole, name, folder):
    run = folder / name
    forked(lambda: train(run, on_step=at(5, lambda: os._exit(0))))
    assert_same_bits(train(run), whole[0])
    check_ended(run, whole[1])
    model = gt.load(run, model=parts()[0])
    saved = Checkpoints(run).read("step-6").model
    assert torch.equal(model[0].weight, saved["0.weight"])


@pytest.mark.parametrize("mask", [0o077, 0o022, 0o002, 0o027])
def test_modes_are_those_of_the_mask(train, mask, folder):
    def train_with_mask():
        os.umask(mask)
        train(folder / "run")

    assert forked(train_with_mask) == 0
    modes = {path.is_dir(): set() for path in folder.rglob("*")}
    for path in folder.rglob("*"):
        modes[path.is_dir()].add(oct(mode_of(path)))
    assert modes == {True: {oct(0o777 & ~mask)}, False: {oct(0o666 & ~mask)}}


def test_no_home_and_no_environment(train, whole, folder):
    def train_without():
        os.environ.clear()
        assert_same_bits(train(folder / "run"), whole[0])

    assert forked(train_without) == 0


@pytest.mark.slow
def test_new_process_without_an_environment(folder):
    code = "import sys, pathlib; from tests.faults.injection import loop\n"
    code += "loop(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(folder / "run")]
    subprocess.run(command, env={}, check=True)
    assert newest_step(folder / "run") == 6


def test_working_folder_that_changes(train, whole, folder):
    """A relative path is that of the moment at which the run is made."""
    (folder / "elsewhere").mkdir()

    def train_and_move():
        os.chdir(folder)
        move = at(3, lambda: os.chdir("elsewhere"))
        assert_same_bits(train("run", on_step=move), whole[0])

    assert forked(train_and_move) == 0
    check_ended(folder / "run", whole[1])
    assert list((folder / "elsewhere").iterdir()) == []


def test_run_is_where_it_was_made_not_where_it_is_opened(folder):
    def make_and_move():
        os.chdir(folder)
        run = gt.Run("run")
        os.chdir("/")
        run.track(model=parts()[0])
        for _ in run.batches((X, Y), batch_size=4, epochs=1, seed=1):
            pass

    assert forked(make_and_move) == 0
    assert (folder / "run" / "model").is_dir()


def test_links_to_a_run_are_the_run(train, whole, folder):
    run, link = folder / "run", folder / "link"
    run.mkdir()
    link.symlink_to("run")
    forked(lambda: train(link, on_step=at(5, lambda: os._exit(0))))
    with (
        at_work(lambda on_step: train(run, on_step=on_step)),
        pytest.raises(RunLockedError),
    ):
        train(link)
    assert_same_bits(train(link), whole[0])
    check_ended(run, whole[1])


def test_run_on_another_disk_by_a_link(train, whole, folder, tmp_path):
    (tmp_path / "there").mkdir()
    (folder / "run").symlink_to(tmp_path / "there")
    forked(lambda: train(folder / "run", on_step=at(5, lambda: os._exit(0))))
    assert_same_bits(train(folder / "run"), whole[0])
    check_ended(tmp_path / "there", whole[1])


# --- Changed data -------------------------------------------------------------------


def test_changed_data_are_refused_and_nothing_is_changed(train, folder, capsys):
    run = folder / "run"
    forked(lambda: train(run, on_step=at(5, lambda: os._exit(0))))
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    changed = X.clone()
    changed[7, 1] += 1e-6
    with pytest.raises(ResumeError, match=r"the data changed .*\n.*train.* -> "):
        train(run, x=changed)
    del before[run / "lock"]
    for path, content in before.items():
        assert path.read_bytes() == content
    capsys.readouterr()
    train(run, x=changed, accept="data")
    assert "resume is not exact: train" in capsys.readouterr().err
