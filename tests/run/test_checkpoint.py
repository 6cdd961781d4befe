"""Checkpoints: what is saved is loaded, the newest first, and few stay."""

import json
import random
import shutil
from collections import OrderedDict, deque

import numpy as np
import pytest
import safetensors.torch
import torch

from gradatim.errors import ConfigError, DamagedError, RunError
from gradatim.run.checkpoint import Checkpoints
from gradatim.run.checkpoint_header import CheckpointHeader
from gradatim.store.manifest import sealed
from tests.bits import assert_same_bits

# Annotations that are checked at every value of a state take most of the time.
pytestmark = pytest.mark.usefixtures("unchecked")


def record(step, **about):
    about = {"fingerprint": {}, "data": {}, "config": {}, **about}
    position = {"rows": 0, "bytes": 0, "sha256": ""}
    return CheckpointHeader(
        step=step, epoch=1, batch=2, samples=3, history=position, **about
    )


def best(step):
    return {"step": step, "epoch": 1, "name": "loss", "value": 0.5}


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "run")


def save(checkpoints, *steps, best_step=None):
    for step in steps:
        about = {} if best_step is None else {"best": best(best_step)}
        weights = {"w": torch.full((3,), float(step))}
        checkpoints.save(record(step, **about), weights, {"step": step})


def steps(checkpoints):
    return sorted(int(name.removeprefix("step-")) for name in checkpoints.names())


def harm(checkpoints, step, name="model.safetensors"):
    path = checkpoints.folder / f"step-{step}" / name
    path.write_bytes(path.read_bytes()[:-1])


# --- Content ------------------------------------------------------------------------


def optimizer_state(optimizer):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = optimizer(model.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, 3)).square().sum().backward()
        optimizer.step()
    return optimizer.state_dict()


STATES = {
    "nothing": {},
    "adam": optimizer_state(torch.optim.Adam),
    "adagrad": optimizer_state(torch.optim.Adagrad),
    "rprop": optimizer_state(torch.optim.Rprop),
    "dtypes": {
        str(dtype): torch.tensor([[0, 1, 1]]).to(dtype)
        for dtype in (
            torch.float64,
            torch.float32,
            torch.float16,
            torch.bfloat16,
            torch.int64,
            torch.int16,
            torch.uint8,
            torch.bool,
            torch.complex64,
        )
    },
    "shapes": {
        "scalar": torch.tensor(1.5),
        "empty": torch.empty(0, 3),
        "transposed": torch.arange(6.0).reshape(2, 3).t(),
        "channels_last": torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "slice": torch.arange(10.0)[::3],
    },
    "numbers": {
        "no numbers": [float("nan"), float("inf"), -float("inf"), -0.0],
        "large": [2**63 + 1, 5e-324, 1.7e308],
        "complex": 1 + 2j,
        "numpy": [np.float64(0.1), np.int64(3), np.bool_(True)],
    },
    "python": {
        "generator": list(random.Random(0).getstate()[1]),
        "tuple": ((1, ("a", None)), {"b"}, deque([1, 2])),
        "keys": {1: "a", ("x", 2): "b", "$": "c", None: "d", 0.5: "e"},
        "texts": ["Öl \u2028 \x00", "\udcff", ""],
        "types": [torch.float32, torch.device("cpu"), torch.Size([1, 2])],
        "array": np.arange(6, dtype=np.uint32).reshape(2, 3),
    },
}


def plain(value):
    """As it comes back: numbers of NumPy are Python's, mappings dicts."""
    if isinstance(value, (np.bool_, np.integer, np.floating)):
        return value.item()
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    return repr(value) if isinstance(value, float) and value != value else value


@pytest.mark.parametrize("name", STATES)
def test_state_comes_back_to_the_bit(name, checkpoints):
    state = STATES[name]
    weights = OrderedDict(w=torch.randn(3, 2), n=torch.tensor(7))
    checkpoints.save(record(5), weights, state)
    found = checkpoints.read("step-5")
    assert_same_bits(found.model, dict(weights))
    assert_same_bits(plain(found.state), plain(state))


def test_memory_format_comes_back(checkpoints):
    weight = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    checkpoints.save(record(1), {"w": weight}, {})
    assert checkpoints.read("step-1").model["w"].stride() == weight.stride()


def test_tensors_that_share_memory_are_each_saved(checkpoints):
    weight = torch.rand(3)
    checkpoints.save(record(1), {"a": weight, "b": weight, "c": weight[1:]}, {})
    found = checkpoints.read("step-1").model
    assert torch.equal(found["a"], found["b"])
    assert torch.equal(found["c"], weight[1:])


def test_record_comes_back(checkpoints):
    saved = record(
        4,
        best=best(3),
        ended="epochs",
        epochs=7,
        first_epoch=2,
        resumes=[{"step": 1, "exact": False, "why_not": ["threads 1 -> 2"]}],
        data={"train": {"sha256": "a", "rows": 5}},
    )
    checkpoints.save(saved, {}, {})
    assert checkpoints.read("step-4").header == saved
    assert checkpoints.newest_header() == saved


def test_weights_are_safetensors_that_others_read(checkpoints):
    save(checkpoints, 1)
    path = checkpoints.folder / "step-1" / "model.safetensors"
    assert torch.equal(safetensors.torch.load_file(path)["w"], torch.ones(3))


def test_size_is_that_of_its_files(checkpoints):
    size = checkpoints.save(record(1), {"w": torch.zeros(1000)}, {})
    files = (checkpoints.folder / "step-1").iterdir()
    assert size == sum(path.stat().st_size for path in files) > 4000


@pytest.mark.parametrize("value", [print, object(), torch.nn.ReLU(), {"a": [open]}])
def test_what_would_need_pickle_is_refused_and_nothing_is_written(value, checkpoints):
    with pytest.raises(ConfigError, match=r"no checkpoint can hold(.|\n)*pickle"):
        checkpoints.save(record(1), {}, {"tracked": {"mine": value}})
    assert not checkpoints.folder.exists()


def test_state_that_would_not_be_read_again_is_refused(checkpoints):
    with pytest.raises(ConfigError, match="belong into tensors"):
        checkpoints.save(record(1), {}, {"rows": list(range(800_000))})
    assert not checkpoints.folder.exists()


# --- Order and damage ---------------------------------------------------------------


def test_newest_is_the_one_of_most_steps(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep_last=9)
    save(checkpoints, 9, 100, 11)  # by name 9 would be the last, by time 11
    found, damaged = checkpoints.newest()
    assert found.header.step == 100 and damaged == []
    assert checkpoints.newest_header().step == 100


def test_without_any_there_is_none(checkpoints):
    assert checkpoints.newest() == (None, [])
    assert checkpoints.newest_header() is None
    checkpoints.folder.mkdir(parents=True)
    for name in ("step-01", "step--1", "step-", "steps-1", "step-1-older", ".tmp-1-x"):
        (checkpoints.folder / name).mkdir()
    assert checkpoints.newest() == (None, []) and checkpoints.names() == []


def test_damaged_ones_are_passed_over_and_named(checkpoints):
    save(checkpoints, 1, 2, 3)
    harm(checkpoints, 3)
    harm(checkpoints, 2, "state.json")
    found, damaged = checkpoints.newest()
    assert found.header.step == 1
    assert [line.split(" has ")[0] for line in damaged] == [
        str(checkpoints.folder / "step-3" / "model.safetensors"),
        str(checkpoints.folder / "step-2" / "state.json"),
    ]
    assert checkpoints.newest_header().step == 1


def test_all_damaged_is_an_error_that_names_each(checkpoints):
    save(checkpoints, 1, 2)
    for step in (1, 2):
        harm(checkpoints, step)
    with pytest.raises(RunError, match=r"can be used:\n.*step-2/model.*\n.*step-1/mo"):
        checkpoints.newest()


def test_check_of_what_lies_outside_is_asked_newest_first(checkpoints):
    save(checkpoints, 1, 2, 3)
    asked = []

    def check(record):
        asked.append(record.step)
        if record.step > 1:
            raise DamagedError(f"not {record.step}.\nMore.")

    found, damaged = checkpoints.newest(check)
    assert asked == [3, 2, 1] and found.header.step == 1
    assert damaged == ["not 3.", "not 2."]


def test_another_version_is_an_error_not_damage(checkpoints):
    """An older gradatim neither passes over nor replaces what a newer one wrote."""
    save(checkpoints, 1, 2)
    path = checkpoints.folder / "step-2" / "manifest.json"
    value = json.loads(path.read_text())
    del value["sha256"]
    path.write_bytes(sealed({**value, "version": 2}))
    with pytest.raises(RunError, match="this gradatim reads version 1") as caught:
        checkpoints.newest()
    assert not isinstance(caught.value, DamagedError)


def test_folder_with_the_name_of_another_step_is_damaged(checkpoints):
    save(checkpoints, 1, 2)
    (checkpoints.folder / "step-2").rename(checkpoints.folder / "step-7")
    found, damaged = checkpoints.newest()
    assert found.header.step == 1 and "step-7" in damaged[0]


def test_newer_ones_are_set_aside_before_it_is_gone_on_from(checkpoints):
    save(checkpoints, 1, 2, 3)
    for step in (2, 3):
        harm(checkpoints, step)
    checkpoints.go_on_from(checkpoints.newest()[0])
    assert steps(checkpoints) == [1]
    aside = {path.name for path in checkpoints.folder.glob("damaged-*")}
    assert aside == {"damaged-step-2", "damaged-step-3"}
    assert checkpoints.newest()[1] == []


def test_going_on_ends_what_a_kill_broke_off(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep_last=2)
    save(checkpoints, 1, 2)
    there = checkpoints.folder
    (there / "step-2").rename(there / "step-2-old")
    (there / ".tmp-1-step-2").mkdir()
    found, _ = checkpoints.newest()
    assert found.header.step == 2
    checkpoints.go_on_from(found)
    assert sorted(path.name for path in there.iterdir()) == ["step-1", "step-2"]


# --- What stays ---------------------------------------------------------------------


@pytest.mark.parametrize("keep_last", [1, 2, 3])
def test_the_last_ones_stay(keep_last, tmp_path):
    checkpoints = Checkpoints(tmp_path, keep_last=keep_last)
    save(checkpoints, *range(10))
    assert steps(checkpoints) == list(range(10 - keep_last, 10))


def test_the_best_stays_besides(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep_last=2)
    save(checkpoints, 1)
    save(checkpoints, 2, 3, 4, 5, best_step=2)
    assert steps(checkpoints) == [2, 4, 5]
    save(checkpoints, 6, 7, best_step=6)
    assert steps(checkpoints) == [6, 7]


def test_the_best_of_each_that_stays_does(tmp_path):
    """Where the last one turns out damaged, the one before still has its best."""
    checkpoints = Checkpoints(tmp_path, keep_last=2)
    save(checkpoints, 1, 2, 3, best_step=1)
    save(checkpoints, 4, best_step=4)
    assert steps(checkpoints) == [1, 3, 4]
    save(checkpoints, 5, best_step=4)
    assert steps(checkpoints) == [4, 5]


def test_the_best_stays_in_a_new_process_too(tmp_path):
    save(Checkpoints(tmp_path, keep_last=2), 1, 2, 3, best_step=1)
    save(Checkpoints(tmp_path, keep_last=2), 4, best_step=4)
    assert steps(Checkpoints(tmp_path)) == [1, 3, 4]


def test_damaged_older_one_does_not_stop_a_save(tmp_path):
    save(Checkpoints(tmp_path, keep_last=2), 1, 2)
    checkpoints = Checkpoints(tmp_path, keep_last=2)
    harm(checkpoints, 2, "state.json")
    save(checkpoints, 3)
    assert steps(checkpoints) == [2, 3] and checkpoints.newest()[0].header.step == 3


def test_same_step_is_replaced(checkpoints):
    save(checkpoints, 1)
    checkpoints.save(record(1, ended="epochs"), {"w": torch.zeros(1)}, {})
    found, _ = checkpoints.newest()
    assert found.header.ended == "epochs"
    assert torch.equal(found.model["w"], torch.zeros(1))
    assert [path.name for path in checkpoints.folder.iterdir()] == ["step-1"]


def test_what_a_kill_left_is_swept_and_other_files_are_not(checkpoints):
    save(checkpoints, 1)
    (checkpoints.folder / ".tmp-1-step-2").mkdir()
    (checkpoints.folder / ".tmp-1-step-2" / "model.safetensors").touch()
    (checkpoints.folder / "notes.txt").touch()
    save(checkpoints, 2)
    names = sorted(path.name for path in checkpoints.folder.iterdir())
    assert names == ["notes.txt", "step-1", "step-2"]


def test_what_stands_is_told(checkpoints):
    assert checkpoints.what_stands()() == "There is no checkpoint yet.\n"
    save(checkpoints, 1, 2)
    newest, stands = checkpoints.folder / "step-2", checkpoints.what_stands()
    assert stands() == f"{newest} is kept.\n"
    shutil.rmtree(checkpoints.folder)
    assert stands() == f"{checkpoints.folder} was removed, or moved.\n"
