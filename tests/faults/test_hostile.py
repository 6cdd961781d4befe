"""Files that cannot hurt: refused with one clear line, and nothing else happens."""

import os
import pickle
import random
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.faults import hostile
from tests.faults.reader import Reader

MOST_BYTES = 200_000_000
MOST_PROCESSOR_S = 30
MEMORY = "/dev/shm"
TOO_SHORT = "Tried to step 7 times."
"""PyTorch's words for a schedule that has ended, wherever its length is from."""


@pytest.fixture(scope="module")
def root(warm):
    """A folder with a good run of each kind, in memory where that is possible."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        warm(hostile.make_good, Path(folder))
        yield Path(folder)


@pytest.fixture(scope="module")
def reader(root):
    """The watched process, after it has read every good run."""
    reader = Reader(root)
    for kind in hostile.KINDS:
        shutil.copytree(root / kind, root / "warm" / kind)
        reader.ask(kind, root / "warm" / kind, warm=True)
    yield reader
    reader.close()


@pytest.fixture
def look(root, reader, tmp_path):
    """Give a function that makes a folder, has it read, and gives what is wrong."""

    def look(case, *, all_of_it=False):
        folder = root / "case"
        shutil.copytree(root / case.kind, folder)
        try:
            case.change(folder / "run")
            entries = () if all_of_it else sorted({*case.refused, *case.readers})
            return faults_of(case, reader.ask(case.kind, folder, entries), root)
        finally:
            shutil.rmtree(folder)

    return look


def faults_of(case, answer, root):
    if "broken" in answer:
        return [answer["broken"]]
    found = list(answer["forbidden"]) + hostile.changed_outside(root)
    for entry, (outcome, text) in answer["outcomes"].items():
        lines = [line for line in text.splitlines() if line.startswith("gradatim: ")]
        first = (lines or text.splitlines() or [""])[0]
        if outcome == "error" and TOO_SHORT not in text:
            found.append(f"{entry}: {text}")
        elif outcome == "done" and entry in case.refused:
            found.append(f"{entry} does not refuse it: {text}")
        elif entry in case.refused and str(root / "case") not in first:
            found.append(f"{entry} does not name the file: {first}")
        elif outcome != "done" and (len(first) > 1000 or not first.isprintable()):
            found.append(f"{entry} has no clear line: {first!r}")
    if answer["bytes"] > MOST_BYTES:
        found.append(f"{answer['bytes']:,} bytes of memory")
    if answer["processor_s"] > MOST_PROCESSOR_S:
        found.append(f"{answer['processor_s']:.0f} seconds of the processor")
    return found


def check(look, cases, **options):
    faults = {
        f"{case.kind}: {case.name}": found
        for case in cases
        if (found := look(case, **options))
    }
    assert not faults, "\n".join(f"{name}\n  {each}" for name, each in faults.items())


def some_of(cases, *, most):
    """One kind of run of each, in turn; of many of a group some, from all of it."""
    by_name = {}
    for case in cases:
        by_name.setdefault(case.name, []).append(case)
    chosen = [each[number % len(each)] for number, each in enumerate(by_name.values())]
    return chosen[:: max(1, len(chosen) // most)]


# --- The check can fail ---------------------------------------------------------------


def test_good_folders_are_read(reader, root):
    for kind in hostile.KINDS:
        shutil.copytree(root / kind, root / "good" / kind)
        answer = reader.ask(kind, root / "good" / kind)
        assert {outcome for outcome, _ in answer["outcomes"].values()} == {"done"}
        assert answer["forbidden"] == [] and answer["bytes"] < MOST_BYTES / 2
    assert hostile.changed_outside(root) == []


@pytest.fixture
def sick(root):
    folder = root / "sick" / "run"
    folder.mkdir(parents=True)
    (folder / "payload").write_bytes(pickle.dumps(hostile.Payload(root)))
    (folder / "link").symlink_to(root / "outside.txt")
    yield folder.parent
    shutil.rmtree(folder.parent)


@pytest.mark.parametrize(
    ("entry", "seen"),
    [
        ("unpickle", "pickle.find_class"),
        ("unpickle", "os.system"),
        ("import", "import: canary_payload"),
        ("call", "os.system"),
        ("start", "subprocess.Popen"),
        ("evaluate", "exec: <string>"),
        ("execute", "exec: <string>"),
        ("connect", "socket.__new__"),
        ("write", "outside/more to be written"),
        ("remove", "os.remove"),
    ],
)
def test_what_no_file_may_do_is_seen(entry, seen, sick, reader, root):
    answer = reader.ask("sick", sick, [entry])
    hostile.changed_outside(root)
    assert any(seen in each for each in answer["forbidden"]), answer


@pytest.mark.parametrize(
    ("entry", "seen"),
    [
        ("unpickle", "a payload was run"),
        ("import", "a payload was run"),
        ("write", "more was made in outside/"),
        ("follow a link", "outside.txt was changed"),
    ],
)
def test_what_has_changed_outside_is_seen(entry, seen, sick, reader, root):
    reader.ask("sick", sick, [entry])
    assert hostile.changed_outside(root) == [seen]
    assert hostile.changed_outside(root) == []


def test_memory_is_seen(sick, reader):
    assert reader.ask("sick", sick, ["allocate"])["bytes"] > MOST_BYTES


def test_what_is_not_refused_is_seen(look):
    case = hostile.Case("nothing", "loop", lambda run: None, {"show"})
    assert look(case)[0].startswith("show does not refuse it")
    assert look(case, all_of_it=True)[0].startswith("show does not refuse it")


def test_payloads_are_in_the_folders(root):
    """A pickle under our name, once unpickled, does run."""
    case = next(hostile.pickles())
    shutil.copytree(root / case.kind, root / "case")
    case.change(root / "case" / "run")
    pickle.loads((root / "case" / "run" / "model" / "manifest.json").read_bytes())
    shutil.rmtree(root / "case")
    assert hostile.changed_outside(root) == ["a payload was run"]


# --- The folders ----------------------------------------------------------------------


@pytest.mark.parametrize("group", hostile.FIXED)
def test_hostile_folders_are_refused(group, look):
    check(look, some_of(hostile.FIXED[group](), most=20))


@pytest.mark.parametrize("walk", hostile.WALKS)
def test_something_else_in_one_place_is_refused_or_harmless(walk, look, root):
    alike = {}
    for case in hostile.WALKS[walk](root):
        alike.setdefault(re.sub(r"[\w.]*\d[\w.]*", "*", case.name), case)
    check(look, random.Random(0).sample(list(alike.values()), 30))


@pytest.mark.parametrize("value", hostile.LONG_VALUES)
def test_long_json_is_refused(value, look):
    cases = list(hostile.json_values({value: hostile.LONG_VALUES[value]()}))
    check(look, random.Random(value).sample(cases, 1))


@pytest.mark.slow
@pytest.mark.parametrize("group", hostile.FIXED)
def test_every_hostile_folder_is_refused(group, look):
    check(look, hostile.FIXED[group](), all_of_it=group != "too much")


@pytest.mark.slow
@pytest.mark.parametrize("walk", hostile.WALKS)
def test_something_else_in_every_place_is_refused_or_harmless(walk, look, root):
    check(look, hostile.WALKS[walk](root))


@pytest.mark.slow
@pytest.mark.parametrize("value", hostile.LONG_VALUES)
def test_long_json_in_every_file_is_refused(value, look):
    check(look, hostile.json_values({value: hostile.LONG_VALUES[value]()}))
