"""Files that are not what was written: found, named, and passed over."""

import json
import pickle
import random
import re
import shutil

import pytest
import safetensors
import safetensors.torch
import torch

import gradatim as gt
from gradatim.errors import DamagedError, RunError
from gradatim.run.checkpoint import Checkpoints
from gradatim.store.lines import LinesFile
from tests.bits import assert_same_bits
from tests.faults.injection import (
    FORMS,
    check_ended,
    leftovers,
    loop,
    names_in,
    parts,
    save,
    state,
)


class Stop(KeyboardInterrupt):
    """Ends a training as a kill does: a run saves nothing more, as for an error."""


def until(step):
    """Give an ``on_step`` that ends a training as an error does."""

    def on_step(now):
        if now == step:
            raise Stop

    return on_step


@pytest.fixture(params=FORMS)
def train(request):
    return FORMS[request.param]


def stopped(train, folder):
    """A run with checkpoints of steps 2, 3 and 4, of six."""
    with pytest.raises(Stop):
        train(folder, on_step=until(5), keep_last=3)
    return folder


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def flip(path, draw):
    """Turn one bit over; give its place."""
    content = bytearray(path.read_bytes())
    place = draw.randrange(8 * len(content))
    content[place // 8] ^= 1 << place % 8
    path.write_bytes(content)
    return place


def drawn(files, draw):
    """Any byte of all files is as probable as any other."""
    return draw.choices(files, weights=[path.stat().st_size for path in files])[0]


def check_found(folder, path, where):
    with pytest.raises(DamagedError) as caught:
        Checkpoints(folder).read("step-4")
    assert path.name in str(caught.value), where
    newest, damaged = Checkpoints(folder).newest()
    assert newest.header.step == 3, where
    (line,) = damaged
    assert str(path) in line, where


def check_goes_on_from_the_one_before(train, folder, whole, capsys, path):
    bits, names = whole
    capsys.readouterr()
    assert_same_bits(train(folder), bits)
    told = capsys.readouterr().err
    assert str(path) in told and "going on from step 3" in told
    assert leftovers(folder) == ["checkpoints/damaged-step-4"]
    shutil.rmtree(folder / "checkpoints" / "damaged-step-4")
    check_ended(folder, names)


@pytest.fixture
def whole(train, folder):
    bits = train(folder / "whole")
    return bits, names_in(folder / "whole")


def test_flipped_bit_is_found_and_the_checkpoint_before_is_gone_on_from(
    train, folder, whole, capsys
):
    draw = random.Random(0)
    first, run = stopped(train, folder / "first"), folder / "run"
    for number in range(200):
        shutil.copytree(first, run)
        path = drawn(files_of(run / "checkpoints" / "step-4"), draw)
        place = flip(path, draw)
        check_found(run, path, f"bit {place} of {path}")
        if number % 4 == 0:  # which takes most of the time
            check_goes_on_from_the_one_before(train, run, whole, capsys, path)
        shutil.rmtree(run)


def test_every_bit_of_the_manifest_counts(folder):
    checkpoints = Checkpoints(folder)
    save(checkpoints, 1)
    path = folder / "checkpoints" / "step-1" / "manifest.json"
    content = path.read_bytes()
    for place in range(8 * len(content)):
        changed = bytearray(content)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        with pytest.raises(DamagedError, match=r"manifest\.json"):
            checkpoints.read("step-1")


def test_flipped_bit_of_an_exported_model_is_found(folder):
    loop(folder)
    first, model = folder / "model", folder / "copy"
    draw = random.Random(0)
    loaded = gt.load(first, model=parts(seed=1)[0])
    assert torch.equal(loaded[0].weight, gt.load(folder, model=parts()[0])[0].weight)
    for _ in range(200):
        shutil.copytree(first, model)
        path = drawn(files_of(model), draw)
        flip(path, draw)
        with pytest.raises(DamagedError) as caught:
            gt.load(model, model=parts()[0])
        assert path.name in str(caught.value)
        shutil.rmtree(model)


def test_torch_load_and_safetensors_alone_take_most_flips_for_weights(folder):
    """For comparison: what reading without a digest lets pass."""
    torch.save(state(1), folder / "a.pt")
    safetensors.torch.save_file(state(1), folder / "a.safetensors")
    found = {"a.pt": 0, "a.safetensors": 0}
    readers = {"a.pt": torch.load, "a.safetensors": safetensors.torch.load_file}
    errors = (
        AttributeError,
        EOFError,
        KeyError,
        RuntimeError,
        ValueError,
        pickle.UnpicklingError,
        safetensors.SafetensorError,
    )
    for name, read in readers.items():
        content = (folder / name).read_bytes()
        draw = random.Random(1)
        for _ in range(50):
            # Of the weights alone, which are most of any larger file.
            begin = content.index(state(1)["weight"].numpy().tobytes())
            place = begin * 8 + draw.randrange(8 * 1200)
            changed = bytearray(content)
            changed[place // 8] ^= 1 << place % 8
            (folder / name).write_bytes(changed)
            try:
                weight = read(folder / name)["weight"]
                assert not torch.equal(weight, state(1)["weight"])
            except errors:
                found[name] += 1
    assert found == {"a.pt": 0, "a.safetensors": 0}


def remove(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def lengthen(path):
    path.write_bytes(path.read_bytes() + b"\n")


def link(path):
    shutil.move(path, path.parents[3] / "elsewhere")
    path.symlink_to(path.parents[3] / "elsewhere")


def make_folder(path):
    path.unlink()
    path.mkdir()


def swap(path):
    """For the file of the checkpoint before, which is whole, too."""
    shutil.copy(path.parent.with_name("step-3") / path.name, path)


@pytest.mark.parametrize(
    "harm", [remove, empty, cut, lengthen, link, make_folder, swap]
)
def test_every_file_is_missed(harm, folder, capsys):
    bits = loop(folder / "whole")
    whole = bits, names_in(folder / "whole")
    first, run = stopped(loop, folder / "first"), folder / "run"
    for name in sorted(p.name for p in (first / "checkpoints" / "step-4").iterdir()):
        shutil.copytree(first, run)
        path = run / "checkpoints" / "step-4" / name
        harm(path)
        if harm is swap and name == "manifest.json":  # then another one is wrong
            path = path.with_name("model.safetensors")
        check_found(run, path, name)
        check_goes_on_from_the_one_before(loop, run, whole, capsys, path)
        shutil.rmtree(run)


def test_file_too_many_is_named(folder, capsys):
    run = stopped(loop, folder / "run")
    path = run / "checkpoints" / "step-4" / "evil.pkl"
    path.write_bytes(b"")
    check_found(run, path, "extra")


def test_checkpoint_that_is_a_file_or_a_link_is_none(folder):
    run = stopped(loop, folder / "run")
    for name in ("step-4", "step-3"):
        shutil.move(run / "checkpoints" / name, folder / name)
    (run / "checkpoints" / "step-4").write_bytes(b"")
    (run / "checkpoints" / "step-3").symlink_to(folder / "step-3")
    newest, damaged = Checkpoints(run).newest()
    assert newest.header.step == 2
    assert damaged == [f"{run}/checkpoints/step-4 is no folder."]


def test_two_damaged_checkpoints_are_passed_over(train, folder, whole, capsys):
    run = stopped(train, folder / "run")
    for step in (3, 4):
        cut(run / "checkpoints" / f"step-{step}" / "state.json")
    assert_same_bits(train(run), whole[0])
    told = capsys.readouterr().err
    assert told.index("step-4/state.json has") < told.index("step-3/state.json has")
    assert "going on from step 2" in told


def test_all_damaged_is_an_error_and_nothing_is_overwritten(folder):
    run = stopped(loop, folder / "run")
    for path in (run / "checkpoints").rglob("model.safetensors"):
        cut(path)
    before = {path: path.read_bytes() for path in files_of(run / "checkpoints")}
    with pytest.raises(RunError, match=r"no checkpoint in .*can be used") as caught:
        loop(run)
    for step in (2, 3, 4):
        assert f"step-{step}/model.safetensors has " in str(caught.value)
    assert before == {path: path.read_bytes() for path in files_of(run / "checkpoints")}


def test_damage_is_set_aside_once_and_not_counted(folder):
    run = stopped(loop, folder / "run")
    for _ in range(2):
        cut(run / "checkpoints" / "step-4" / "state.json")
        with pytest.raises(Stop):
            loop(run, on_step=until(5), keep_last=2)
        assert sorted(path.name for path in (run / "checkpoints").iterdir()) == [
            "damaged-step-4",
            "step-3",
            "step-4",
        ]


def test_replaced_checkpoint_is_gone_on_from_where_its_replacement_is_damaged(folder):
    """A kill between two renames, and then damage: the one before has the same step."""
    checkpoints = Checkpoints(folder)
    for step in (1, 2):
        save(checkpoints, step)
    there = folder / "checkpoints"
    shutil.copytree(there / "step-2", there / "step-2-old")
    cut(there / "step-2" / "state.json")
    newest, damaged = checkpoints.newest()
    assert newest.path.name == "step-2-old" and "step-2/state.json" in damaged[0]
    checkpoints.go_on_from(newest)
    assert checkpoints.newest()[0].path.name == "step-2"
    assert leftovers(folder) == ["checkpoints/damaged-step-2"]


# --- Beside the checkpoints ---------------------------------------------------------


def test_damaged_history_is_gone_on_from_where_it_is_whole(
    train, folder, whole, capsys
):
    """What is behind the damage is written again."""
    run = stopped(train, folder / "run")
    path = run / "history.jsonl"
    steps = {
        c.header.step: c.header.history["bytes"]
        for c in map(Checkpoints(run).read, Checkpoints(run).names())
    }
    content = bytearray(path.read_bytes())
    content[steps[4] - 2] ^= 1
    path.write_bytes(content)
    last = max(step for step, size in steps.items() if size < steps[4])
    assert_same_bits(train(run), whole[0])
    told = capsys.readouterr().err
    assert f"going on from step {last} " in told
    assert str(path) in told and "SHA-256" in told


def halve(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("harm", [empty, halve])
def test_history_that_no_checkpoint_fits_is_an_error(harm, folder):
    run = stopped(loop, folder / "run")
    for step in (2, 3):
        shutil.rmtree(run / "checkpoints" / f"step-{step}")
    harm(run / "history.jsonl")
    expected = r"no checkpoint .*\n.*history\.jsonl .* Where the file is removed, train"
    with pytest.raises(RunError, match=expected):
        loop(run)


def test_weights_are_gone_on_with_where_the_history_is_removed(
    train, folder, whole, capsys
):
    run = stopped(train, folder / "run")
    remove(run / "history.jsonl")
    *weights, rows = train(run)
    told = capsys.readouterr().err
    assert_same_bits(weights, whole[0][:-1])
    assert re.search(r"not exact: history\.jsonl is gone, and its \d rows", told)
    assert {k: v[-1] for k, v in rows.items()} == {
        k: v[-1] for k, v in whole[0][-1].items()
    }
    check_ended(run, whole[1])
    capsys.readouterr()
    train(run, epochs=3)
    assert "going on from step 6 (epoch 2, batch 0)" in capsys.readouterr().err


def test_rows_behind_the_last_checkpoint_are_cut_off(train, folder, whole):
    run = stopped(train, folder / "run")
    with open(run / "history.jsonl", "ab") as file:
        file.write(b'{"step": 5, "lo')
    assert_same_bits(train(run), whole[0])
    check_ended(run, whole[1])


@pytest.mark.parametrize("harm", [remove, empty, cut, lengthen])
def test_damaged_config_is_told_and_written_anew(harm, folder, capsys):
    bits = loop(folder / "whole")
    names = names_in(folder / "whole")
    run = stopped(loop, folder / "run")
    harm(run / "config.json")
    assert_same_bits(loop(run), bits)
    told = capsys.readouterr().err
    assert f"{run}/config.json" in told and "written anew" in told
    check_ended(run, names)
    assert json.loads((run / "config.json").read_text())["kind"] == "python"


def test_damaged_model_of_a_run_that_has_ended_is_written_again(train, folder, whole):
    run = folder / "run"
    train(run)
    for harm in (remove, empty, cut):
        harm(run / "model" / "model.safetensors")
        with pytest.raises(DamagedError, match=r"model\.safetensors"):
            gt.load(run, model=parts()[0])
        train(run)
        check_ended(run, whole[1])
        gt.load(run, model=parts()[0])


def test_history_file_is_not_read_further_than_its_checkpoint(folder):
    rows = LinesFile(folder / "history.jsonl")
    rows.append({"step": 1})
    rows.flush()
    position = rows.position()
    rows.append({"step": 2})
    rows.flush()
    assert LinesFile(rows.path).go_on_at(position) == [{"step": 1}]
    assert rows.path.read_text() == '{"step": 1}\n'
