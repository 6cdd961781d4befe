import json
import math
import os

import pytest

from gradatim.errors import RunError
from gradatim.run.jsonfile import (
    read_json,
    read_json_lines,
    to_json,
    write_bytes,
    write_json,
)


def test_what_is_written_is_read(tmp_path):
    value = {"version": 1, "name": "Öl", "lines": [1, 2.5, None, True, "a\u2028b"]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json", version=1) == value
    assert "Öl" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_no_number_becomes_null_wherever_it_stands(value):
    text = to_json({"a": [value, {"b": (value, 1.5)}], "c": 1.7e308})
    assert json.loads(text) == {"a": [None, {"b": [None, 1.5]}], "c": 1.7e308}


@pytest.mark.parametrize(
    "text",
    ["NaN", '{"a": Infinity}', "[-Infinity]", "{", "", '{"a": 1,}', "[" * 99_999],
)
def test_what_is_no_json_is_refused(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(
        RunError, match=r"a\.json is no valid JSON.*\n.*\n.*train again"
    ):
        read_json(tmp_path / "a.json")


def test_what_is_no_utf8_is_refused(tmp_path):
    (tmp_path / "a.json").write_bytes(b'"\xff"')
    with pytest.raises(RunError, match=r"a\.json cannot be read"):
        read_json(tmp_path / "a.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RunError, match=r"gone\.json does not exist"):
        read_json(tmp_path / "gone.json")


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"version": 2}', '{"version": "1"}', "1"]
)
def test_an_unknown_version_is_refused(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(
        RunError, match=r"version .*, but this gradatim reads version 1"
    ):
        read_json(tmp_path / "a.json", version=1)


class TestLines:
    def test_each_line_is_a_value(self, tmp_path):
        rows = [{"epoch": 1, "note": "a\u2028b\x85c"}, {"epoch": 2, "note": None}]
        text = "".join(to_json(row) + "\n" for row in rows)
        write_bytes(tmp_path / "h.jsonl", text.encode())
        assert read_json_lines(tmp_path / "h.jsonl") == rows

    def test_no_line_is_no_row(self, tmp_path):
        write_bytes(tmp_path / "h.jsonl", b"")
        assert read_json_lines(tmp_path / "h.jsonl") == []

    def test_a_cut_line_is_told_with_its_number(self, tmp_path):
        write_bytes(tmp_path / "h.jsonl", b'{"epoch": 1}\n{"epo')
        with pytest.raises(RunError, match=r"h\.jsonl, line 2 is no valid JSON"):
            read_json_lines(tmp_path / "h.jsonl")


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_the_mode_is_the_umasks(umask, tmp_path):
    before = os.umask(umask)
    try:
        write_bytes(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~umask
