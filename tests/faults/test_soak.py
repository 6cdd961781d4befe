"""Thousands of checkpoints: disk, descriptors, memory and time stay as they were."""

import os
import time
from statistics import median
from unittest import mock

import pytest

from gradatim.run.checkpoint import Checkpoints
from tests.faults.injection import checkpoints_of, loop


def memory_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def check_flat(folder, saves, typical):
    seconds, sizes, counts, descriptors, memory = [], [], [], [], []
    save = Checkpoints.save

    def timed(*arguments):
        begin = time.process_time()  # not the wait for the disk, which others use
        save(*arguments)
        seconds.append(time.process_time() - begin)
        if len(seconds) % (saves // 100) == 0:
            there = [path for path in folder.rglob("*") if path.is_file()]
            kept = [path for path in there if path.name != "history.jsonl"]
            sizes.append(sum(path.stat().st_size for path in kept))
            counts.append(len(there))
            descriptors.append(len(os.listdir("/proc/self/fd")))
            memory.append(memory_bytes())

    with mock.patch.object(Checkpoints, "save", timed):
        loop(folder, epochs=saves // 3, every_steps=1, keep_last=3)
    assert len(seconds) >= saves
    part = len(seconds) // 10
    first, last = typical(seconds[:part]), typical(seconds[-part:])
    assert last < 2 * first, f"a save took {first:.4f} s, then {last:.4f} s"
    settled = len(sizes) // 10
    # The best is kept besides, or is one of the three.
    assert max(sizes[settled:]) < 1.02 * 4 / 3 * min(sizes[settled:])
    assert max(counts) - min(counts[settled:]) <= 4
    assert len(set(descriptors)) == 1
    assert memory[-1] < 1.05 * memory[settled]
    newest = [each.header.step for each in checkpoints_of(folder)][-3:]
    end = 3 * (saves // 3)
    assert newest == [end - 2, end - 1, end]


def test_two_hundred_checkpoints_leave_no_more_than_ten(folder):
    # Of twenty saves the quickest, as this machine does other things meanwhile.
    check_flat(folder, 200, typical=min)


@pytest.mark.slow
def test_ten_thousand_checkpoints_leave_no_more_than_ten(folder):
    check_flat(folder, 10_000, typical=median)
