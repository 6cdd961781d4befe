"""Which files a path means: itself, those in a folder, or those that fit a pattern."""

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from gradatim.errors import FileReadError

__all__ = ["FileList", "files_of", "is_pattern", "num_bytes", "stem_of"]

MOST_FILES = 10_000
"""So many files are read as one table at most; more are a mistake in the path."""
HIVE = re.compile(r"([^=]+)=(.*)")
"""The name of a folder that gives the files in it a value of a column."""
NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""How Hive writes a missing value there."""


def is_pattern(path: Path) -> bool:
    """Say whether a path is a pattern such as ``months/*.csv``, and no file itself."""
    return glob.has_magic(str(path)) and not os.path.lexists(path)


def stem_of(path: Path) -> str:
    """Give the name of what a path means, without a suffix.

    >>> stem_of(Path("a/houses.csv")), stem_of(Path("months/*.csv"))
    ('houses', 'months')
    """
    if not is_pattern(path):
        return path.stem if path.name else Path.cwd().name
    return _base(path).resolve().name or "files"


def _base(path: Path) -> Path:
    """Give the folder of a pattern: what stands before its first sign."""
    plain = Path()
    for part in path.parts:
        if glob.has_magic(part):
            break
        plain /= part
    return plain


@dataclass(frozen=True, slots=True)
class FileList:
    """The files that a path means, in the order of their names."""

    base: Path
    """The folder in which all of them are."""
    files: tuple[Path, ...]

    @classmethod
    def of(cls, path: Path) -> "FileList | None":
        """List the files in a folder or of a pattern; None if the path is a file's.

        Hidden files and folders, and those that begin with ``_``, are left alone, as
        programs that write such folders keep their notes in them.

        Raises:
            FileReadError: There are none, or too many to be meant.
        """
        if path.is_dir():
            found, base = _in_folder(path), path
        elif is_pattern(path):
            names = glob.iglob(str(path), recursive=True)
            found, base = (Path(name) for name in names), _base(path)
        else:
            return None
        files = []
        for file in found:
            if file.is_file() and not file.name.startswith((".", "_")):
                files.append(file)
            if len(files) > MOST_FILES:
                raise FileReadError(
                    f"{path} means more than {MOST_FILES:,} files.\n"
                    "So many are hardly meant as one table.\n"
                    "Name a smaller folder, or a pattern such as 'months/*.csv'."
                )
        return cls(base, tuple(sorted(files, key=lambda file: file.parts)))

    def values(self, file: Path) -> dict[str, str | None]:
        """Give the values of columns that stand in the names of a file's folders."""
        folders = file.relative_to(self.base).parts[:-1]
        found = filter(None, map(HIVE.fullmatch, folders))
        return {
            unquote(match[1]): None if match[2] == NO_VALUE else unquote(match[2])
            for match in found
        }


def files_of(path: Path) -> tuple[Path, ...]:
    """Give the files that a path means; itself, where it is a file's."""
    several = FileList.of(path)
    return (path,) if several is None else several.files


def num_bytes(path: Path) -> int | None:
    """Say how large the files are that a path means; None where there are none."""
    files = [file for file in files_of(path) if file.is_file()]
    return sum(file.stat().st_size for file in files) if files else None


def _in_folder(path: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        yield from (Path(folder, name) for name in names)
