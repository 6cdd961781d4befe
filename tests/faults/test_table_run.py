"""A table's run folder is removed only where nothing is in it yet, and nobody else."""

import shutil

import pytest

from gradatim.errors import RunError, RunLockedError
from gradatim.store.lock import Lock
from gradatim.tables.saved.folder import begin_run
from gradatim.tables.saved.table_run import describe_file, train_in
from tests.faults.injection import Waiting, names_in
from tests.houses import with_target
from tests.trained_runs import plan_on


@pytest.fixture
def begun(folder):
    """A run folder before its training, and what is to be trained."""
    csv = folder / "houses.csv"
    with_target("price").to_csv(csv, index=False)
    plan = plan_on(csv, "price")
    about = {"file": describe_file(csv, folder / "run"), "drop_missing_target": False}
    return begin_run(folder / "run", plan, about), plan


def train(begun, **options):
    run, plan = begun
    return train_in(run, plan, progress=False, **options)


def test_new_run_that_fails_is_removed(begun, monkeypatch):
    def fail(*arguments):
        raise ZeroDivisionError

    monkeypatch.setattr("gradatim.trainer.Trainer._train_epoch", fail)
    with pytest.raises(ZeroDivisionError):
        train(begun)
    assert not begun[0].path.exists()


def test_run_that_another_process_has_begun_is_left_alone(begun):
    """Before its first checkpoint, too."""
    run, _ = begun

    def hold(wait):
        lock = Lock(run.path / "lock")
        lock.acquire()
        wait()

    with Waiting(hold):
        before = names_in(run.path)
        with pytest.raises(RunLockedError):
            train(begun)
        assert names_in(run.path) == before


@pytest.mark.parametrize("harm", ["damaged", "changed"])
def test_run_that_cannot_be_gone_on_with_is_left_alone(harm, begun):
    run, plan = begun
    train(begun)
    if harm == "damaged":
        for path in (run.path / "checkpoints").rglob("state.json"):
            path.write_bytes(path.read_bytes()[:-1])
    else:
        for path in (run.path / "checkpoints").glob("step-[1-9]*"):
            shutil.rmtree(path)
        next(iter(plan.table.x.values()))[0] += 1
    before = names_in(run.path)
    with pytest.raises(RunError):
        train(begun)
    assert names_in(run.path) == before
