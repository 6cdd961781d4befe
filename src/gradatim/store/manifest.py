"""Folders and files that carry their digests, and so show whether they are whole.

A folder is whole if its ``manifest.json`` is, and if it has just the files that stand
there, each of that size and SHA-256. A sealed JSON file carries its own SHA-256.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping
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
from gradatim.store.json import (
    MAX_JSON_BYTES,
    check_version,
    in_utf8,
    parse_json,
    read_text,
)
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
SIDE_BY_SIDE_BYTES = 4 << 20
"""The files of a larger folder are worked on side by side, a thread each. That this is
faster was measured (128 MB: 84 to 78 ms; benchmarks/LOG.md, 2026-11-25); from which
size on was chosen by hand, not measured."""

MEMORY_BYTES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
"""The memory of the machine: no file that is read whole may be larger."""

MAX_FILES = 16
"""How many files a manifest may name: four are the most that gradatim writes. Chosen by
hand, not measured."""

FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
"""The names that a file may have: on every system, a name in the folder itself."""

Result = TypeVar("Result")


def sealed(value: Mapping[str, Any]) -> bytes:
    """Write JSON whose last line is the SHA-256 of all lines before it.

    >>> print(sealed({"version": 1}).decode(), end="")
    {
      "version": 1,
    "sha256": "c60112896ebfc54a5d30c233fb8e6a32b4cf7491cd2e81bdef0f252e88d090cd"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)
    body = in_utf8(text.removesuffix("\n}")) + b",\n"
    return body + SEAL % hashlib.sha256(body).hexdigest().encode()


SEAL = b'"sha256": "%s"}\n'
SEAL_BYTES = len(SEAL) - len("%s") + 64
"""The size of a seal, in which the 64 digits of a SHA-256 stand."""


def read_sealed(path: Path, *, version: int) -> dict[str, Any]:
    """Read what :func:`sealed` gave, if it is unchanged and of this version."""
    text = read_text(path)
    value = parse_json(text, str(path))
    content = text.encode()
    body = content[:-SEAL_BYTES]
    if content[-SEAL_BYTES:] != SEAL % hashlib.sha256(body).hexdigest().encode():
        raise DamagedError(
            f"{path} is not what was written: its SHA-256 is another.\n"
            "It was damaged, or changed by hand, and cannot be relied on.\n"
            "Put back a copy of the file, or train again."
        )
    check_version(value, version, path)
    return {key: part for key, part in value.items() if key != "sha256"}


def write_folder(
    path: Path, files: Mapping[str, Iterable[Buffer]], *, side_by_side: bool = False
) -> int:
    """Write a folder whole or not at all; give its size in bytes.

    A folder that is there is replaced. With ``side_by_side``, each file has a thread.
    """
    with written_beside(path) as folder:

        def write(name: str) -> Written:
            return write_file(folder / name, files[name])

        written = _for_each(write, files, side_by_side=side_by_side)
        entries = {name: entry._asdict() for name, entry in written.items()}
        manifest = sealed({"version": VERSION, "files": entries})
        own = write_file(folder / MANIFEST, [manifest])
    return own.size + sum(entry.size for entry in written.values())


def _for_each(
    work: Callable[[str], Result], names: Collection[str], *, side_by_side: bool
) -> dict[str, Result]:
    """Do the same for every file; side by side, digests and disk work together."""
    if not side_by_side:
        return {name: work(name) for name in names}
    with ThreadPoolExecutor(len(names)) as pool:
        return dict(zip(names, pool.map(work, names), strict=True))


def read_folder(
    path: Path, *, only: str | None = None, known: set[str] | None = None
) -> dict[str, bytes]:
    """Read every file of a folder, each compared with its line in the manifest.

    Args:
        path: The folder.
        only: Read this file alone.
        known: The files that the folder must have, and no others.

    Raises:
        DamagedError: A file is missing, cut, changed, or does not belong there. The
            message names the file.
        RunError: The manifest is of another version, or this process cannot read now.
    """
    with reading(path):
        if path.is_symlink() or not path.is_dir():
            what = "is a link" if path.is_symlink() else "is no folder"
            raise _damaged(path, what)
        entries = _entries(path / MANIFEST)
        sizes = {file.name: file.lstat().st_size for file in path.iterdir()}
    for name, entry in entries.items():
        if name not in sizes:
            raise _damaged(path / name, "is missing")
        if sizes[name] != entry.size:
            what = f"has {sizes[name]:,} bytes, not {entry.size:,}"
            raise _damaged(path / name, what)
    if extra := sorted(set(sizes) - set(entries) - {MANIFEST}):
        raise _damaged(path / extra[0], "does not belong there")
    if known is not None:
        check_files(entries, known, path)

    def read(name: str) -> bytes:
        content = read_file(path / name, most=entries[name].size)
        if hashlib.sha256(content).hexdigest() != entries[name].sha256:
            what = "is not what was written: its SHA-256 is another"
            raise _damaged(path / name, what)
        return content

    names = [name for name in entries if only in (None, name)]
    is_large = sum(entries[name].size for name in names) > SIDE_BY_SIDE_BYTES
    return _for_each(read, names, side_by_side=is_large)


def check_files(files: Mapping[str, Any], names: set[str], path: Path) -> None:
    """Refuse a folder that lacks one of these files, or holds others."""
    if absent := sorted(names - set(files)):
        raise _damaged(path, f"lacks {', '.join(absent)}")
    if extra := sorted(set(files) - names):
        raise _damaged(path / extra[0], "does not belong there")


def _entries(path: Path) -> dict[str, Written]:
    value = read_sealed(path, version=VERSION)
    try:
        if set(value) != {"version", "files"}:
            raise ValueError(f"the fields {shown(sorted(value))}")
        if len(value["files"]) > MAX_FILES:
            raise ValueError(f"more than {MAX_FILES} files")
        entries = {name: Written(**entry) for name, entry in value["files"].items()}
        for name, entry in entries.items():
            if name == MANIFEST or not FILE.fullmatch(name):
                raise ValueError(f"the file name {shown(name)}")
            most = MAX_JSON_BYTES if name.endswith(".json") else MEMORY_BYTES
            if type(entry.size) is not int or not 0 <= entry.size <= most:
                raise ValueError(f"the size {shown(entry.size)} of {name}")
            if type(entry.sha256) is not str:
                raise ValueError(f"the SHA-256 {shown(entry.sha256)} of {name}")
    except (TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, f"has unexpected content: {one_line(error)}") from error
    return entries


def _damaged(path: Path, what: str) -> DamagedError:
    return DamagedError(
        f"{printable(str(path))} {what}.\n"
        "The folder is damaged, or was changed by hand, and cannot be relied on.\n"
        "Put back a copy of the whole folder."
    )
