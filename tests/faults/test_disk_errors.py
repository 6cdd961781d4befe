"""Errors of the system at every call of a save: said, and nothing good is lost."""

import errno
import itertools
import re
import warnings
from contextlib import suppress
from unittest import mock

import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.errors import DiskError, GradatimWarning
from gradatim.run.checkpoint import Checkpoints
from gradatim.store.lines import LinesFile
from tests.bits import assert_same_bits
from tests.faults.injection import (
    CHANGING,
    FORMS,
    REMOVING,
    Calls,
    X,
    Y,
    check_ended,
    checkpoints_of,
    error,
    error_half_way,
    leftovers,
    names_in,
    save,
    state,
)

ERRORS = {
    "ENOSPC": r"the disk is full: (needs [\d.,]+ (.B|bytes), )?[\d.,]+ [GM]B free at",
    "EDQUOT": r"the disk quota is used up: (needs .* bytes, )?[\d.,]+ (GB|MB) free at",
    "EFBIG": r"the file is too large: (needs .*, )?more than the file system allows",
    "EIO": "the disk reports an error",
    "EXDEV": "the folder lies on two file systems",
    "EMFILE": "this process has too many open files",
    "EROFS": "the disk is read-only",
    "EACCES": "writing there is not allowed",
}
NAMES = CHANGING | {"close", "scandir"}


def check_message(message, name, stands):
    what, why, cure = message.split("\n")
    found = r"checkpoints/(step-\d|\S*) cannot be (written|removed), "
    assert re.search(found + ERRORS[name], what), what
    assert re.fullmatch(stands, why), why
    assert cure and cure[0].isupper() and cure[-1] == "."


@pytest.fixture
def at_once():
    """As a large checkpoint's files are written: side by side, by threads."""
    with mock.patch("gradatim.run.checkpoint.SIDE_BY_SIDE_BYTES", -1):
        yield


forever = pytest.mark.parametrize("forever", [False, True], ids=["once", "forever"])


@forever
@pytest.mark.parametrize("first", [2, 3], ids=["another step", "the same step"])
@pytest.mark.parametrize("name", ERRORS)
def test_save_says_what_failed_and_keeps_what_was(name, first, forever, folder):
    """The third checkpoint of one that keeps two, at every call that it makes."""
    check_save(name, first, forever, folder)


@forever
@pytest.mark.parametrize("name", ["ENOSPC", "EIO"])
def test_save_by_threads_says_what_failed_and_keeps_what_was(
    name, forever, at_once, folder
):
    check_save(name, 2, forever, folder)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, MemoryError])
def test_save_that_is_broken_off_leaves_the_old_or_the_new(kind, folder):
    """As by a second Ctrl-C, which does not wait."""

    def break_off(real, *arguments, **options):
        raise kind

    for at in itertools.count(1):
        checkpoints = Checkpoints(folder / f"{at}", keep_last=2)
        for step in (1, 2, 3):
            save(checkpoints, step)
        calls = Calls(at, break_off)
        with calls.patched(), suppress(kind):
            save(checkpoints, 3)
        if not calls.hit:
            break
        newest, damaged = Checkpoints(folder / f"{at}").newest()
        assert damaged == [] and newest.header.step == 3
        save(checkpoints, 4)
        assert leftovers(folder / f"{at}") == []
        assert [each.header.step for each in checkpoints_of(folder / f"{at}")] == [3, 4]
    assert at > 20


def check_save(name, first, forever, folder):
    number, fault = getattr(errno, name), error_half_way
    for at in itertools.count(1):
        run = folder / f"{at}"
        checkpoints = Checkpoints(run, keep_last=2)
        save(checkpoints, 1)
        save(checkpoints, first)
        calls = Calls(at, fault(number), names=NAMES, forever=forever)
        with calls.patched():
            try:
                save(checkpoints, 3)
            except DiskError as error:
                failure = error
            else:
                failure = None
        if not calls.hit:
            break
        what = calls.made[at - 1][0]
        newest, damaged = Checkpoints(run).newest()
        assert damaged == []
        assert torch.equal(newest.model["weight"], state(newest.header.step)["weight"])
        if failure is None:  # then it is there, and only waste was not removed
            assert newest.header.step == 3
            assert what in (*REMOVING, "open", "close", "scandir")
        else:
            stands = rf".*/step-{first} is kept\.|.*/step-3 is written, and whole\."
            check_message(str(failure), name, stands)
            assert failure.errno == number
            assert newest.header.step in (first, 3)
        save(checkpoints, 4)
        assert leftovers(run) == []
        kept = [each.header.step for each in checkpoints_of(run)]
        assert kept == [3, 4] or (failure and kept == [first, 4])
    assert at > 30


@pytest.mark.parametrize("name", ERRORS)
def test_first_save_says_that_there_is_no_checkpoint(name, folder):
    calls = Calls(5, error(getattr(errno, name)))
    with calls.patched(), pytest.raises(DiskError) as caught:
        save(Checkpoints(folder), 0)
    check_message(str(caught.value), name, "There is no checkpoint yet.")


def test_message_has_three_parts_and_the_numbers(folder):
    checkpoints = Checkpoints(folder / "run")
    save(checkpoints, 1)
    weights = {"weight": torch.zeros(4_000_000)}
    record = checkpoints.read("step-1").header
    record.step = 2
    with (
        Calls(4, error(errno.ENOSPC)).patched(),
        pytest.raises(DiskError) as caught,
    ):
        checkpoints.save(record, weights, {})
    step = folder / "run" / "checkpoints" / "step-2"
    free = r"[\d.,]+ (GB|MB|bytes) free at \S*/run/checkpoints"
    assert re.fullmatch(
        rf"{step} cannot be written, the disk is full: needs 16\.0 MB, {free}\.\n"
        r"\S*/step-1 is kept\.\n"
        r"Make room there\.",
        str(caught.value),
    )


def test_failed_fsync_is_not_tried_again_on_what_was_written_before(folder):
    """The system may have dropped those pages: a second fsync would say all is well."""
    checkpoints = Checkpoints(folder)
    save(checkpoints, 1)
    with Calls().patched() as passing:
        save(checkpoints, 2)
    fsyncs = [k for k, (name, *_) in enumerate(passing.made, 1) if name == "fsync"]
    assert len(fsyncs) == 6
    for at in fsyncs:
        calls = Calls(at, error(errno.EIO))
        with calls.patched():
            with pytest.raises(DiskError, match="the disk reports an error"):
                save(checkpoints, 3)
            after = calls.made[at:]
            assert not any(name == "fsync" for name, *_ in after)
            save(checkpoints, 3)
        again = calls.made[at + len(after) :]
        assert sum(name == "write" for name, *_ in again) == 4


def test_rows_of_a_failed_fsync_are_written_again(folder):
    rows = LinesFile(folder / "history.jsonl")
    rows.append({"step": 1})
    rows.flush()
    rows.append({"step": 2})
    calls = Calls(4, error(errno.EIO))
    with calls.patched():
        with pytest.raises(OSError, match="Input/output"):
            rows.flush()
        rows.append({"step": 3})
        rows.flush()
    assert [name for name, *_ in calls.made] == 2 * [
        "open",
        "ftruncate",
        "pwrite",
        "fsync",
    ]
    text = '{"step": 1}\n{"step": 2}\n{"step": 3}\n'
    assert (folder / "history.jsonl").read_text() == text
    assert rows.position()["bytes"] == len(text)


# --- In a training ------------------------------------------------------------------


def errors_at_every_call(train, folder, names):
    """Give each call's number, its error, and the run that met it."""
    train(folder / "warm")
    for at, name in zip(itertools.count(1), itertools.cycle(names), strict=False):
        calls = Calls(at, error_half_way(getattr(errno, name)), names=NAMES)
        yield at, calls, folder / f"{at}"
        if not calls.hit:
            assert at > 150
            return


def check_training_stops(train, folder, names):
    bits = train(folder / "whole")
    files = names_in(folder / "whole")
    stopped = 0
    for at, calls, run in errors_at_every_call(train, folder, names):
        with calls.patched():
            try:
                found = train(run)
            except DiskError as error:
                assert error.__cause__.errno, at
                assert len(str(error).split("\n")) == 3, str(error)
                stopped += 1
            else:
                assert_same_bits(found, bits, f"call {at}")
        if run.exists():
            checkpoints_of(run)
        assert_same_bits(train(run), bits, f"call {at}")
        check_ended(run, files)
    assert stopped > 100


def test_training_stops_at_an_error_and_goes_on_later(folder, warm):
    warm(check_training_stops, FORMS["loop"], folder, list(ERRORS))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ERRORS)
def test_training_stops_at_every_error(form, name, folder, warm):
    warm(check_training_stops, FORMS[form], folder, [name])


def check_training_goes_on(train, folder, names):
    bits = train(folder / "whole")
    warned = 0
    for at, calls, run in errors_at_every_call(train, folder, names):
        with calls.patched(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                found = train(run, on_save_error="warn")
            except DiskError as error:
                # There is nothing to go on with yet, or nothing more to train.
                assert not re.match(r"\S*/(checkpoints|history)", str(error))
                continue
        assert_same_bits(found, bits, f"call {at}")
        for warning in caught:
            assert issubclass(warning.category, GradatimWarning)
            assert str(warning.message).endswith(
                "Training goes on, as on_save_error is 'warn'."
            )
        warned += len(caught)
        checkpoints_of(run)
        assert_same_bits(train(run), bits, f"call {at}")
        assert leftovers(run) == []
    assert warned > 90


def test_training_goes_on_where_errors_only_warn(folder, warm):
    warm(check_training_goes_on, FORMS["trainer"], folder, list(ERRORS))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ERRORS)
def test_training_goes_on_after_every_error(form, name, folder, warm):
    warm(check_training_goes_on, FORMS[form], folder, [name])


def test_best_step_that_was_not_saved_is_not_the_best(folder):
    """The one before stays, until another is better than that."""
    model = nn.Linear(3, 1)
    run = gt.Run(folder, every_s=None, keep_last=1, on_save_error="warn")
    run.track(model=model)
    save, found = Checkpoints.save, []

    def save_but_step_2(checkpoints, record, *state):
        if record.step == 2:
            raise DiskError("full")
        save(checkpoints, record, *state)

    values = iter([0.9, 0.5, 0.7, 0.8])
    with (
        mock.patch.object(Checkpoints, "save", save_but_step_2),
        pytest.warns(GradatimWarning, match="full"),
    ):
        for _ in run.batches((X, Y), batch_size=3, epochs=1, seed=1):
            with torch.no_grad():
                model.weight.fill_(run.step + 1)
            found.append(run.best(next(values)))
    assert found == [True, True, True, False]
    assert run.load_best()["step"] == 3 and model.weight[0, 0] == 3
