"""Power cut at any call: what was not waited for is lost, and the run goes on.

The calls are recorded on a disk that keeps the least that POSIX allows: of a file what
it had at its last fsync, of a folder the names that it had at its own.
"""

import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest

from gradatim.run.checkpoint import Checkpoints
from tests.bits import assert_same_bits
from tests.faults.injection import FORMS, check_ended, checkpoints_of, names_in


@dataclass(eq=False)
class File:
    now: bytearray = field(default_factory=bytearray)
    kept: bytes = b""

    def sync(self):
        self.kept = bytes(self.now)

    def after_the_cut(self, names_are_kept):
        return self.kept


@dataclass(eq=False)
class Folder:
    now: dict = field(default_factory=dict)
    kept: dict = field(default_factory=dict)

    def sync(self):
        self.kept = dict(self.now)

    def after_the_cut(self, names_are_kept):
        """Give names and contents; names may be there before they are waited for."""
        entries = self.now if names_are_kept else self.kept
        found = sorted(entries.items(), key=lambda item: item[0])
        return tuple((k, each.after_the_cut(names_are_kept)) for k, each in found)


class Disk:
    """Follows every call below a folder; calls ``look`` after each."""

    def __init__(self, root, look):
        self.root, self.look = Path(root), look
        self.top = Folder()
        self.opened = {}
        self.offsets = {}

    @contextlib.contextmanager
    def watched(self):
        with contextlib.ExitStack() as stack:
            for name in vars(Disk):
                if name.startswith("do_"):
                    name = name.removeprefix("do_")
                    call = self._watch(name, getattr(os, name))
                    stack.enter_context(mock.patch.object(os, name, call))
            yield

    def _watch(self, name, real):
        def call(*arguments, dir_fd=None, **options):
            where = {} if dir_fd is None else {"dir_fd": dir_fd}
            result = real(*arguments, **where, **options)
            if dir_fd is not None:
                arguments = (dir_fd, *arguments)
            if self.is_below(arguments[0]):
                getattr(self, f"do_{name}")(result, *arguments)
                self.look(self)
            return result

        return call

    def is_below(self, where):
        """Tell a descriptor or path of this disk from others of the process.

        A garbage collection at any call may write to a pipe of Python's own.
        """
        if type(where) is int:
            return where in self.opened
        return Path(where).is_relative_to(self.root)

    def place(self, *path):
        """Give the folder that holds a path, and the last name."""
        if type(path[0]) is int:
            return self.opened[path[0]], path[1]
        folder, (*parents, name) = self.top, Path(path[0]).relative_to(self.root).parts
        for parent in parents:
            folder = folder.now[parent]
        return folder, name

    def do_open(self, descriptor, *arguments):
        *path, flags = arguments[: 3 if type(arguments[0]) is int else 2]
        if path[0] == self.root:
            self.opened[descriptor] = self.top
            return
        folder, name = self.place(*path)
        if flags & os.O_CREAT:
            folder.now.setdefault(name, File())
        self.opened[descriptor], self.offsets[descriptor] = folder.now[name], 0

    def do_close(self, _, descriptor):
        del self.opened[descriptor]

    def do_write(self, count, descriptor, view):
        self.do_pwrite(count, descriptor, view, self.offsets[descriptor])
        self.offsets[descriptor] += count

    def do_pwrite(self, count, descriptor, view, offset):
        self.opened[descriptor].now[offset : offset + count] = bytes(view)[:count]

    def do_ftruncate(self, _, descriptor, size):
        del self.opened[descriptor].now[size:]

    def do_truncate(self, _, path, size):
        folder, name = self.place(path)
        del folder.now[name].now[size:]

    def do_fsync(self, _, descriptor):
        self.opened[descriptor].sync()

    def do_mkdir(self, _, *path):
        folder, name = self.place(path[0])
        folder.now[name] = Folder()

    def do_rename(self, _, old, new):
        (one, name), (other, new_name) = self.place(old), self.place(new)
        other.now[new_name] = one.now.pop(name)

    do_replace = do_rename

    def do_unlink(self, _, *path):
        folder, name = self.place(*path)
        del folder.now[name]

    def do_rmdir(self, _, *path):
        self.do_unlink(_, *path)


def write_out(entries, folder):
    folder.mkdir()
    for name, content in entries:
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            write_out(content, folder / name)


def test_disk_forgets_what_was_not_waited_for(folder):
    looks = []
    disk = Disk(folder, lambda disk: looks.append(disk.top.after_the_cut(False)))
    with disk.watched():
        descriptor = os.open(folder / "a", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, b"xyz")
        assert looks[-1] == ()
        assert disk.top.after_the_cut(True) == (("a", b""),)
        os.fsync(descriptor)
        assert looks[-1] == ()
        assert disk.top.after_the_cut(True) == (("a", b"xyz"),)
        names = os.open(folder, os.O_RDONLY)
        os.fsync(names)
        assert looks[-1] == (("a", b"xyz"),)
        os.ftruncate(descriptor, 1)
        os.rename(folder / "a", folder / "b")
        assert looks[-1] == (("a", b"xyz"),)
        assert disk.top.after_the_cut(True) == (("b", b"xyz"),)
        os.close(descriptor)
        _, writer = os.pipe()
        number = len(looks)
        os.write(writer, b"of another part of the process")
        assert len(looks) == number


@pytest.mark.parametrize("names_are_kept", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_power_cut_at_any_call_loses_no_checkpoint_that_was_saved(
    form, names_are_kept, folder
):
    train = FORMS[form]
    train(folder / "warm")
    saved, cuts = [None], {}
    save = Checkpoints.save

    def and_note(checkpoints, record, *state):
        save(checkpoints, record, *state)
        saved.append(record.step)

    def look(disk):
        cuts[disk.top.after_the_cut(names_are_kept)] = saved[-1]

    root = folder / "root"
    root.mkdir()
    disk = Disk(root, look)
    with disk.watched(), mock.patch.object(Checkpoints, "save", and_note):
        bits = train(root / "run")
    names = names_in(root / "run")
    assert len(cuts) > 10
    for number, (entries, step) in enumerate(cuts.items()):
        here = folder / f"cut-{number}"
        write_out(entries, here)
        found, damaged = Checkpoints(here / "run").newest()
        assert damaged == []
        assert (-1 if found is None else found.header.step) >= (
            -1 if step is None else step
        )
        checkpoints_of(here / "run")
        assert_same_bits(train(here / "run"), bits, f"cut {number}")
        check_ended(here / "run", names)
