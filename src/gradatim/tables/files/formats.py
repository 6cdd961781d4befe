"""The file formats of tables, and which of them a file has.

A file that breaks its own format is refused with the line on which it does; nothing
is padded, renamed or guessed anew from one file to the next.
"""

from collections.abc import Sequence
from pathlib import Path

from gradatim.errors import FileReadError
from gradatim.store.output import is_special
from gradatim.tables.files.csv import DelimitedFile
from gradatim.tables.files.data_file import MISSING_VALUES, DataFile
from gradatim.tables.files.parquet import ParquetFile
from gradatim.text import nearest_name

__all__ = ["FORMATS", "open_file", "written_format"]

FORMATS: tuple[type[DataFile], ...] = (DelimitedFile, ParquetFile)
"""Every format that can be read: the one with a file's suffix reads it."""


def open_file(path: str | Path, *, missing: Sequence[str] = MISSING_VALUES) -> DataFile:
    r"""Open a data file by its suffix; ``DataFile`` says what can be read of it.

    Args:
        path: ``.csv``, ``.tsv``, ``.tab``, ``.txt`` (each also with ``.gz``), with a
            header, in UTF-8; ``.parquet`` or ``.pq``.
        missing: Texts that stand for a missing value.

    Raises:
        FileReadError: The file is missing, empty, or damaged: with the line.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "houses.csv")
    >>> _ = path.write_text("rooms,price\n3,250000\n,180000\n")
    >>> open_file(path).read().to_pydict()
    {'rooms': [3, None], 'price': [250000, 180000]}
    """
    path = Path(path)
    suffixes = ", ".join(suffix for kind in FORMATS for suffix in kind.suffixes)
    if path.is_dir():
        raise FileReadError(
            f"{path} is a folder.\n"
            "A table is read from one file.\n"
            f"Name a file in it that ends in one of {suffixes}."
        )
    if not path.exists():
        if path.is_symlink():
            raise FileReadError(
                f"{path} is a symbolic link that leads to no file.\n"
                "Nothing was read.\n"
                "Name the file itself, or set the link again."
            )
        near = [file.name for file in path.parent.glob("*")]
        raise FileReadError(
            f"There is no file {path}.{nearest_name(path.name, near)}\n"
            "Nothing was read.\n"
            f"Check the path; the current folder is {Path.cwd()}."
        )
    if is_special(path):
        raise FileReadError(
            f"{path} is a pipe or a device, no file.\n"
            "A table is read more than once, which is not possible there.\n"
            f"Save it first, as a file that ends in one of {suffixes}."
        )
    name = path.name.lower()
    for kind in FORMATS:
        if name.removesuffix(kind.packed_suffix).endswith(kind.suffixes):
            break
    else:
        raise FileReadError(
            f"{path} has a suffix that is none of {suffixes}.\n"
            "The suffix says how a file is read.\n"
            "Convert the file, or rename it if it is one of these."
        )
    if path.stat().st_size == 0:
        raise FileReadError(
            f"{path} is empty: 0 bytes.\n"
            "The first line must name the columns.\n"
            "Check that the program that wrote it has finished."
        )
    return kind(path, missing)


def written_format(path: Path) -> type[DataFile] | None:
    """Give the format in which a file of this suffix is written; None if in none."""
    suffix = path.suffix.lower()
    return next((kind for kind in FORMATS if suffix in kind.written_suffixes), None)
