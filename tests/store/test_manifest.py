"""Folders and files that know what they are."""

import hashlib
import json
import os

import pytest

from gradatim.errors import DamagedError, RunError
from gradatim.store.manifest import (
    SIDE_BY_SIDE_BYTES,
    check_files,
    read_folder,
    read_sealed,
    sealed,
    write_folder,
)

FILES = {"a.bin": [b"\x00\xff", b"xyz"], "b.json": [b"{}"], "empty": []}
CONTENTS = {"a.bin": b"\x00\xffxyz", "b.json": b"{}", "empty": b""}


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "x", FILES)
    return tmp_path / "x"


def put_manifest(folder, change):
    """Change the manifest, and seal it again as if it were ours."""
    value = read_sealed(folder / "manifest.json", version=1)
    (folder / "manifest.json").write_bytes(sealed(change(value) or value))


def test_what_is_written_is_read(folder):
    assert read_folder(folder) == CONTENTS


@pytest.mark.parametrize("at_once", [False, True])
def test_size_is_that_of_all_files(at_once, tmp_path):
    size = write_folder(tmp_path / "x", FILES, side_by_side=at_once)
    assert size == sum(path.stat().st_size for path in (tmp_path / "x").iterdir())
    assert read_folder(tmp_path / "x") == CONTENTS


def test_large_folder_is_read_by_threads_and_its_damage_is_named(tmp_path):
    part = bytes(SIDE_BY_SIDE_BYTES)
    write_folder(tmp_path / "x", {"a": [part], "b": [part, b"x"]}, side_by_side=True)
    assert read_folder(tmp_path / "x") == {"a": part, "b": part + b"x"}
    with open(tmp_path / "x" / "b", "r+b") as file:
        file.write(b"1")
    with pytest.raises(DamagedError, match=r"x/b is not what was written"):
        read_folder(tmp_path / "x")


def test_manifest_says_sizes_and_digests_of_the_files(folder):
    value = json.loads((folder / "manifest.json").read_text())
    assert value["version"] == 1
    assert value["files"] == {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in CONTENTS.items()
    }
    assert list(value) == ["version", "files", "sha256"]


def test_one_file_alone_is_read_and_compared(folder):
    (folder / "a.bin").write_bytes(b"\x00\xffxy!")
    assert read_folder(folder, only="b.json") == {"b.json": b"{}"}
    with pytest.raises(DamagedError, match=r"a\.bin is not what was written"):
        read_folder(folder, only="a.bin")


HARM = {
    "changed": (lambda f: (f / "a.bin").write_bytes(b"\x00\xffxyy"), "a.bin is not wh"),
    "cut": (lambda f: (f / "a.bin").write_bytes(b"\x00"), "a.bin has 1 bytes, not 5"),
    "gone": (lambda f: (f / "a.bin").unlink(), "a.bin is missing"),
    "more": (lambda f: (f / "evil").touch(), "evil does not belong there"),
    "hidden": (lambda f: (f / ".x").touch(), r".x does not belong there"),
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "manifest.json does not"),
    "a link": (
        lambda f: (f / "b.json").unlink() or (f / "b.json").symlink_to("a.bin"),
        "b.json",
    ),
    "a pipe": (
        lambda f: (f / "empty").unlink() or os.mkfifo(f / "empty"),
        "empty is no regular file",
    ),
}


@pytest.mark.parametrize("name", HARM)
def test_damage_is_named(name, folder):
    harm, match = HARM[name]
    harm(folder)
    with pytest.raises(DamagedError, match=match):
        read_folder(folder)


def test_what_is_no_folder_is_damage(folder):
    (folder.parent / "file").touch()
    (folder.parent / "link").symlink_to("x")
    found = {"file": "no folder", "gone": "no folder", "link": "a link"}
    for name, what in found.items():
        with pytest.raises(DamagedError, match=rf"/{name} is {what}"):
            read_folder(folder.parent / name)


ENTRY = {"size": 0, "sha256": hashlib.sha256(b"").hexdigest()}
LIES = {
    "a path": lambda v: v["files"].update({"../x": ENTRY}),
    "an absolute path": lambda v: v["files"].update({"/etc/passwd": ENTRY}),
    "a backslash": lambda v: v["files"].update({"..\\x": ENTRY}),
    "dots": lambda v: v["files"].update({"..": ENTRY}),
    "itself": lambda v: v["files"].update({"manifest.json": ENTRY}),
    "no name": lambda v: v["files"].update({"": ENTRY}),
    "2^60 bytes": lambda v: v["files"]["a.bin"].update(size=1 << 60),
    "less than none": lambda v: v["files"]["a.bin"].update(size=-1),
    "a size that is no number": lambda v: v["files"]["a.bin"].update(size="5"),
    "a size that is true": lambda v: v["files"]["a.bin"].update(size=True),
    "a digest that is none": lambda v: v["files"]["a.bin"].update(sha256=None),
    "a field too many": lambda v: v["files"]["a.bin"].update(mode=7),
    "a field too few": lambda v: v["files"]["a.bin"].pop("size"),
    "files that are a list": lambda v: v.update(files=[]),
    "a file that is a number": lambda v: v["files"].update({"a.bin": 5}),
    "another field": lambda v: v.update(more=1),
    "no files": lambda v: v.pop("files"),
}


@pytest.mark.parametrize("name", LIES)
def test_manifest_that_lies_is_refused_and_named(name, folder):
    put_manifest(folder, lambda value: LIES[name](value) and None)
    with pytest.raises(DamagedError, match=r"manifest\.json"):
        read_folder(folder)


def test_another_version_is_refused_but_no_damage(folder):
    put_manifest(folder, lambda value: {**value, "version": 2})
    with pytest.raises(RunError, match=r"version 2, but this gradatim") as caught:
        read_folder(folder)
    assert type(caught.value) is RunError


def test_failed_write_leaves_nothing(tmp_path):
    def parts():
        yield b"x"
        raise ZeroDivisionError

    for at_once in (False, True):
        with pytest.raises(ZeroDivisionError):
            write_folder(
                tmp_path / "x", {"a": [b"1"], "b": parts()}, side_by_side=at_once
            )
        assert list(tmp_path.iterdir()) == []


def test_folder_holds_just_these_files(folder):
    contents = read_folder(folder)
    check_files(contents, set(FILES), folder)
    with pytest.raises(DamagedError, match=r"x lacks c, d"):
        check_files(contents, {*FILES, "d", "c"}, folder)
    with pytest.raises(DamagedError, match=r"x/empty does not belong there"):
        check_files(contents, {"a.bin", "b.json"}, folder)


# --- Sealed files -------------------------------------------------------------------


@pytest.mark.parametrize("value", [{"version": 1}, {"version": 1, "name": "Öl\u2028"}])
def test_sealed_file_is_json_and_is_read(value, tmp_path):
    (tmp_path / "a").write_bytes(sealed(value))
    assert read_sealed(tmp_path / "a", version=1) == value
    found = json.loads((tmp_path / "a").read_text(encoding="utf-8"))
    assert found.pop("sha256") and found == value


def test_every_change_of_a_bit_is_found(tmp_path, unchecked):
    content = sealed({"version": 1, "a": [1, 2.5]})
    for place in range(len(content)):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            (tmp_path / "a").write_bytes(changed)
            with pytest.raises(DamagedError):
                read_sealed(tmp_path / "a", version=1)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"version": 1}', b"\xff"])
def test_what_was_not_sealed_is_damage(content, tmp_path):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DamagedError, match=r"/a "):
        read_sealed(tmp_path / "a", version=1)


def test_key_that_follows_the_seal_is_damage(tmp_path):
    content = sealed({"version": 1}).replace(b"}\n", b',\n"more": 1}\n')
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(DamagedError, match="SHA-256 is another"):
        read_sealed(tmp_path / "a", version=1)


def test_nothing_sealed_holds_what_json_has_not():
    with pytest.raises(ValueError, match="JSON"):
        sealed({"version": float("nan")})
