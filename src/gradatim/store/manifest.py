"""Folders and files that tell whether they are what was written.

A folder is whole if its ``manifest.json`` is, and if it has just the files that stand
there, each of that size and SHA-256. A sealed JSON file carries its own SHA-256.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from gradatim.errors import DamagedError
from gradatim.store.disk import (
    Buffer,
    Written,
    read_file,
    reading,
    write_file,
    written_beside,
)
from gradatim.store.json import MOST_BYTES as MOST_OF_JSON
from gradatim.store.json import check_version, in_utf8, parse_json, read_text
from gradatim.text import one_line, printable, shown

__all__ = [
    "MANIFEST",
    "check_files",
    "read_folder",
    "read_sealed",
    "sealed",
    "write_folder",
]

VERSION = 1
MANIFEST = "manifest.json"
LARGE = 4 << 20
"""Bytes of a folder from which its files are worked on side by side."""

Result = TypeVar("Result")
MOST_BYTES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
"""Of a file that is read whole: what the machine has."""

MOST_FILES = 16
FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
"""Names that are nothing else on any system."""


def sealed(value: Mapping[str, Any]) -> bytes:
    """Write JSON that ends with the SHA-256 of all before it, on a line of its own.

    >>> print(sealed({"version": 1}).decode(), end="")
    {
      "version": 1,
    "sha256": "c60112896ebfc54a5d30c233fb8e6a32b4cf7491cd2e81bdef0f252e88d090cd"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)
    body = in_utf8(text.removesuffix("\n}")) + b",\n"
    return body + SEAL % hashlib.sha256(body).hexdigest().encode()


SEAL = b'"sha256": "%s"}\n'
SEAL_SIZE = len(SEAL) - 2 + 64


def read_sealed(path: Path, *, version: int) -> dict[str, Any]:
    """Read what :func:`sealed` gave, in a file.

    Raises:
        DamagedError: It is missing or changed.
        RunError: It is of another version.
    """
    text = read_text(path)
    value = parse_json(text, str(path))
    content = text.encode()
    body = content[:-SEAL_SIZE]
    if content[-SEAL_SIZE:] != SEAL % hashlib.sha256(body).hexdigest().encode():
        raise DamagedError(
            f"{path} is not what was written: its SHA-256 is another.\n"
            "It was damaged, or changed by hand, and cannot be relied on.\n"
            "Put back a copy of the file, or train again."
        )
    check_version(value, version, path)
    return {key: part for key, part in value.items() if key != "sha256"}


def write_folder(
    path: Path,
    files: Mapping[str, Iterable[Buffer]],
    *,
    at_once: bool = False,
) -> int:
    """Write a folder whole or not at all; give its bytes.

    Args:
        path: Where; what is there is replaced.
        files: The parts of each file, by its name.
        at_once: Write the files side by side, where they are large.
    """
    with written_beside(path) as folder:

        def write(name: str) -> Written:
            return write_file(folder / name, files[name])

        entries = dict(zip(files, _each(write, files, at_once=at_once), strict=True))
        manifest = {
            "version": VERSION,
            "files": {name: entry._asdict() for name, entry in entries.items()},
        }
        own = write_file(folder / MANIFEST, [sealed(manifest)])
    return own.size + sum(entry.size for entry in entries.values())


def _each(
    work: Callable[[str], Result], names: Iterable[str], *, at_once: bool
) -> list[Result]:
    """Do the same for every file; at once, a thread each: digests and disk wait."""
    if not at_once:
        return [work(name) for name in names]
    names = list(names)
    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(work, names))


def read_folder(
    path: Path, *, only: str | None = None, known: set[str] | None = None
) -> dict[str, bytes]:
    """Read every file of a folder, each compared with its line in the manifest.

    Args:
        path: The folder.
        only: Read this file alone.
        known: The files that it has to have, and no others.

    Raises:
        DamagedError: A file is missing, cut, changed, or too many; it is named.
        RunError: The manifest is of another version, or this process cannot read now.
    """
    with reading(path):
        if path.is_symlink() or not path.is_dir():
            what = "is a link" if path.is_symlink() else "is no folder"
            raise DamagedError(_damaged(path, what))
        entries = _entries(path / MANIFEST)
        there = {each.name: each.lstat().st_size for each in path.iterdir()}
    for name, entry in entries.items():
        if name not in there:
            raise DamagedError(_damaged(path / name, "is missing"))
        if there[name] != entry.size:
            what = f"has {there[name]:,} bytes, not {entry.size:,}"
            raise DamagedError(_damaged(path / name, what))
    if extra := sorted(set(there) - set(entries) - {MANIFEST}):
        raise DamagedError(_damaged(path / extra[0], "does not belong there"))
    if known is not None:
        check_files(entries, known, path)

    def read(name: str) -> bytes:
        content = read_file(path / name, most=entries[name].size)
        if hashlib.sha256(content).hexdigest() != entries[name].sha256:
            what = "is not what was written: its SHA-256 is another"
            raise DamagedError(_damaged(path / name, what))
        return content

    names = [name for name in entries if only in (None, name)]
    at_once = sum(entries[name].size for name in names) > LARGE
    return dict(zip(names, _each(read, names, at_once=at_once), strict=True))


def check_files(files: Mapping[str, Any], names: set[str], path: Path) -> None:
    """Check that a folder holds these files and no others.

    Raises:
        DamagedError: It does not; one is named.
    """
    if absent := sorted(names - set(files)):
        raise DamagedError(_damaged(path, f"lacks {', '.join(absent)}"))
    if extra := sorted(set(files) - names):
        raise DamagedError(_damaged(path / extra[0], "does not belong there"))


def _entries(path: Path) -> dict[str, Written]:
    value = read_sealed(path, version=VERSION)
    try:
        if set(value) != {"version", "files"}:
            raise ValueError(f"the fields {shown(sorted(value))}")
        if len(value["files"]) > MOST_FILES:
            raise ValueError(f"more than {MOST_FILES} files")
        entries = {name: Written(**entry) for name, entry in value["files"].items()}
        for name, entry in entries.items():
            if name == MANIFEST or not FILE.fullmatch(name):
                raise ValueError(f"the file name {shown(name)}")
            most = MOST_OF_JSON if name.endswith(".json") else MOST_BYTES
            if type(entry.size) is not int or not 0 <= entry.size <= most:
                raise ValueError(f"the size {shown(entry.size)} of {name}")
            if type(entry.sha256) is not str:
                raise ValueError(f"the SHA-256 {shown(entry.sha256)} of {name}")
    except (TypeError, ValueError, AttributeError) as error:
        what = f"has unexpected content: {one_line(error)}"
        raise DamagedError(_damaged(path, what)) from error
    return entries


def _damaged(path: Path, what: str) -> str:
    return (
        f"{printable(str(path))} {what}.\n"
        "The folder is damaged, or was changed by hand, and cannot be relied on.\n"
        "Put back a copy of the whole folder."
    )
