"""Rows on the disk: added, cut off again, and compared with what was noted."""

import hashlib
import json
import math
import os

import pytest
import torch

from gradatim.errors import ConfigError, DamagedError, DiskError
from gradatim.store.lines import LinesFile, read_rows, read_until


@pytest.fixture
def rows(tmp_path):
    return LinesFile(tmp_path / "history.jsonl")


def written(rows, *more):
    for row in more:
        rows.append(row)
    rows.flush()
    return rows.position()


def test_rows_wait_until_they_are_flushed(rows):
    rows.append({"epoch": 1})
    assert not rows.path.exists() and rows.num_waiting_bytes == 13
    rows.flush()
    assert rows.path.read_text() == '{"epoch": 1}\n' and rows.num_waiting_bytes == 0
    written(rows, {"epoch": 2}, {"epoch": 3})
    assert list(read_rows(rows.path)) == [{"epoch": 1}, {"epoch": 2}, {"epoch": 3}]


def test_position_is_that_of_all_bytes(rows):
    position = written(rows, {"a": 1}, {"a": 2})
    content = rows.path.read_bytes()
    assert position == {
        "rows": 2,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def test_position_of_no_rows(rows):
    position = written(rows)
    assert position["rows"] == position["bytes"] == 0 and rows.path.exists()
    assert rows.go_on_at(position) == []


ROWS = [
    {"loss": 0.1, "name": "Öl \u2028 \x85 \x00", "none": None, "yes": True, "step": 3},
    {"loss": math.nan, "more": math.inf, "less": -math.inf},
    {"nested": [1, {"a": (1, 2)}], "large": 2**62, "tiny": 5e-324},
    {"$": 1, "$$": 2},
    {},
]


@pytest.mark.parametrize("row", ROWS)
def test_row_is_read_as_it_was(row, rows):
    position = written(rows, row, {"last": 1})
    found, _ = LinesFile(rows.path).go_on_at(position)
    assert repr(found) == repr(row)
    for line in rows.path.read_text(encoding="utf-8").split("\n")[:-1]:
        json.loads(line, parse_constant=lambda name: pytest.fail(name))


def test_tensor_of_several_numbers_is_refused(rows):
    with pytest.raises(ConfigError, match=r"tensor\(\[0., 0.\]\)(.|\n)*\.mean\(\)"):
        rows.append({"loss": torch.zeros(2)})
    assert rows.num_rows == rows.num_waiting_bytes == 0


def test_what_follows_the_position_is_cut_off(rows):
    position = written(rows, {"a": 1})
    written(rows, {"a": 2})
    rows.path.write_text(rows.path.read_text() + '{"a": 3')
    again = LinesFile(rows.path)
    assert again.go_on_at(position) == [{"a": 1}]
    assert rows.path.read_text() == '{"a": 1}\n'
    assert again.position() == position


def test_going_on_writes_what_would_have_been_written(rows, tmp_path):
    position = written(rows, {"a": 1})
    whole = written(rows, {"a": 2})
    again = LinesFile(rows.path)
    again.append({"of": "an earlier try"})
    again.go_on_at(position)
    assert written(again, {"a": 2}) == whole


def test_rows_of_a_failed_write_are_cut_off_by_the_next(rows, monkeypatch):
    written(rows, {"a": 1})
    real = os.pwrite

    def half(descriptor, view, offset):
        real(descriptor, view[:4], offset)
        raise OSError(28, "No space left on device")

    rows.append({"a": 2})
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", half)
        with pytest.raises(OSError, match="No space left"):
            rows.flush()
    position = written(rows, {"a": 3})
    assert rows.path.read_text() == '{"a": 1}\n{"a": 2}\n{"a": 3}\n'
    assert position["rows"] == 3


def test_call_that_writes_less_is_followed_by_another(rows, monkeypatch):
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda d, view, at: real(d, view[:3], at))
    written(rows, {"epoch": 1}, {"epoch": 2})
    assert rows.path.read_text() == '{"epoch": 1}\n{"epoch": 2}\n'


def test_flush_without_sync_waits_for_nothing(rows, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda descriptor: pytest.fail("it waits"))
    rows.flush(sync=False)
    assert not rows.path.exists()
    rows.append({"a": 1})
    rows.flush(sync=False)
    assert rows.path.read_text() == '{"a": 1}\n'


@pytest.mark.parametrize("harm", ["shorter", "changed", "empty"])
def test_damage_up_to_the_position_is_found(harm, rows):
    position = written(rows, {"a": 1}, {"a": 2})
    content = rows.path.read_bytes()
    changed = {"shorter": content[:-1], "changed": b"[" + content[1:], "empty": b""}
    rows.path.write_bytes(changed[harm])
    for read in (
        lambda: read_until(rows.path, position),
        lambda: LinesFile(rows.path).go_on_at(position),
    ):
        with pytest.raises(DamagedError, match=r"history\.jsonl is not what was wri"):
            read()
    assert rows.path.read_bytes() == changed[harm]


def test_removed_file_is_begun_anew(rows):
    position = written(rows, {"a": 1})
    rows.path.unlink()
    again = LinesFile(rows.path)
    assert again.go_on_at(position) == []
    assert written(again, {"a": 2})["rows"] == 1
    assert list(read_rows(rows.path)) == [{"a": 2}]


def test_link_is_neither_read_nor_written_through(rows, tmp_path):
    position = written(rows, {"a": 1})
    rows.path.rename(tmp_path / "elsewhere")
    rows.path.symlink_to("elsewhere")
    again = LinesFile(rows.path)
    again.append({"a": 2})
    for use in (
        again.flush,
        lambda: again.go_on_at(position),
        lambda: read_until(rows.path, position),
        lambda: list(read_rows(rows.path)),
    ):
        with pytest.raises(DamagedError, match="is a link"):
            use()
    assert (tmp_path / "elsewhere").read_text() == '{"a": 1}\n'


def test_disk_that_does_not_let_it_be_cut_is_told(rows, monkeypatch):
    position = written(rows, {"a": 1})

    def fail(path, size):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(os, "truncate", fail)
    with pytest.raises(DiskError, match="the disk is read-only"):
        LinesFile(rows.path).go_on_at(position)


@pytest.mark.parametrize(
    ("text", "found"),
    [("", []), ('{"a": 1}\n{"a"', [{"a": 1}]), ('{"a": 1}\n{"b": 2}', [{"a": 1}])],
)
def test_reader_of_a_run_in_progress_sees_whole_lines(text, found, rows):
    assert list(read_rows(rows.path)) == []
    rows.path.write_text(text)
    assert list(read_rows(rows.path)) == found


@pytest.mark.parametrize("line", ["[1]", "1", "NaN", '{"$": ["evil", 1]}', "{"])
def test_line_that_is_no_row_is_named(line, rows):
    rows.path.write_text('{"a": 1}\n' + line + "\n")
    with pytest.raises(DamagedError, match=r"history\.jsonl, line 2"):
        list(read_rows(rows.path))


def test_a_line_that_is_no_json_is_told_with_its_number(rows):
    rows.path.write_bytes(b'{"epoch": 1}\n{"epo\n')
    with pytest.raises(DamagedError, match=r"history\.jsonl, line 2 is no valid JSON"):
        list(read_rows(rows.path))
