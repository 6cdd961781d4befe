import json
import math
import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import DamagedError, RunError
from gradatim.store.json import (
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_JSON_BYTES,
    MAX_VALUES,
    check_version,
    in_utf8,
    may_be_read,
    parse_json,
    read_text,
    to_json,
)


def test_what_is_written_is_read(tmp_path):
    value = {"version": 1, "name": "Öl", "lines": [1, 2.5, None, True, "a\u2028b"]}
    (tmp_path / "a.json").write_bytes(in_utf8(to_json(value, indent=2)))
    text = read_text(tmp_path / "a.json")
    assert parse_json(text, "a.json") == value
    check_version(value, 1, tmp_path / "a.json")
    assert "Öl" in text


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
        parse_json(read_text(tmp_path / "a.json"), "a.json")


def test_what_is_no_utf8_is_refused(tmp_path):
    (tmp_path / "a.json").write_bytes(b'"\xff"')
    with pytest.raises(RunError, match=r"a\.json cannot be read"):
        read_text(tmp_path / "a.json")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RunError, match=r"gone\.json does not exist"):
        read_text(tmp_path / "gone.json")


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"version": 2}', '{"version": "1"}', "1"]
)
def test_an_unknown_version_is_refused(text, tmp_path):
    with pytest.raises(
        RunError, match=r"version .*, but this gradatim reads version 1"
    ):
        check_version(parse_json(text, "a.json"), 1, tmp_path / "a.json")


FINITE = st.floats(allow_nan=False, allow_infinity=False)
INTEGERS = st.integers(-MAX_INTEGER, MAX_INTEGER)
TEXTS = st.text(st.characters(codec=None))
"""Halves of surrogate pairs, too."""
JSON = st.recursive(
    st.none() | st.booleans() | FINITE | INTEGERS | TEXTS,
    lambda part: st.lists(part, max_size=4) | st.dictionaries(TEXTS, part, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_json_comes_back_by_its_bytes(value):
    content = in_utf8(to_json(value))
    again = parse_json(content, "it")
    assert again == value
    assert json.loads(content) == value
    assert to_json(again) == to_json(value)  # -0.0, and 1 beside 1.0


def test_texts_of_no_utf8_come_back():
    value = {"name": os.fsdecode(b"caf\xe9.csv")}
    content = in_utf8(to_json(value))
    assert parse_json(content, "a.json") == value
    json.loads(content.decode())


def refused(content):
    with pytest.raises(DamagedError) as caught:
        parse_json(content, "a.json")
    message = str(caught.value)
    assert len(message) < 500
    assert all(line.isprintable() for line in message.splitlines())
    first, *rest = message.splitlines()
    assert first.startswith("a.json ") and len(rest) == 2
    return first


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("NaN", "NaN is no JSON"),
        ("[1e999]", "'1e999' is too large a number"),
        ("-1e999", "'-1e999' is too large a number"),
        ("1" * 302, "is too large a number"),
        ("2" + "0" * 300, "is too large a number"),
        ("-1" + "0" * 5000, "is too large a number"),
        ('{"a": 1, "a": 1}', "a key stands twice"),
        ('[{"b": {"a": 1, "\\u0061": 2}}]', "a key stands twice"),
        ("1" + "5" * 5000 + "e5000", "is too large a number"),
        ("01", "Extra data"),
        ("1 2", "Extra data"),
        ("'a'", "Expecting value"),
        ("[1,]", "Expecting value"),
        ("// a\n1", "Expecting value"),
        ('"a\nb"', "Invalid control character"),
        ("\ufeff1", "BOM"),
        (b"\xef\xbb\xbf1", "BOM"),
        (b'"\xff"', "is no UTF-8"),
        (b'"\xed\xb3\xa9"', "is no UTF-8"),
        ('"a"'.encode("utf-16"), "is no UTF-8"),
        ("[" * 99_999, "recursion depth"),
        ("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1), "deeper than 250 levels"),
        ('{"a":' * 300 + "1" + "}" * 300, "deeper than 250 levels"),
    ],
)
def test_what_is_no_strict_json_is_refused(content, what):
    assert what in refused(content)


def test_what_is_just_strict_enough_is_read():
    assert parse_json(str(MAX_INTEGER), "it") == MAX_INTEGER
    assert parse_json(str(-MAX_INTEGER), "it") == -MAX_INTEGER
    assert str(parse_json("-0.0", "it")) == "-0.0"
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH, "it") != []
    assert parse_json(' {"a" : [ ] }\n', "it") == {"a": []}
    assert parse_json(b'"a' + b"\xc3\xa9" + b'"', "it") == "aé"


class TestLength:
    """What is written is read, and what is longer is told before it is written."""

    def test_bytes(self):
        most = b'"' + b"a" * (MAX_JSON_BYTES - 2) + b'"'
        assert may_be_read(most) and len(parse_json(most, "it")) == MAX_JSON_BYTES - 2
        assert not may_be_read(most + b" ")
        assert "has 16,777,217 bytes" in refused(most + b" ")

    @pytest.mark.parametrize(
        "part",
        ["[]", *(pytest.param(p, marks=pytest.mark.slow) for p in ("1", '{"a":1}'))],
    )
    def test_values(self, part):
        number = MAX_VALUES // (1 + sum(map(part.count, "[{:")))
        most = f"[{','.join([part] * number)}]".encode()
        assert may_be_read(most) and len(parse_json(most, "it")) == number
        assert not may_be_read(most[:-1] + b",{},{}]")
        assert "more than 786,432 values" in refused(most[:-1] + b",{},{}]")

    def test_what_is_refused_takes_no_time(self):
        for character in "[{,:":
            text = f"{character}1" * (MAX_JSON_BYTES // 2)
            begin = time.process_time()
            refused(text)
            assert time.process_time() - begin < 5  # 0.02 s of the processor
