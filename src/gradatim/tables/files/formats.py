"""The file formats of tables, and which of them a file has.

A file that breaks its own format is refused with the line on which it does; nothing
is padded, renamed or guessed anew from one file to the next.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gradatim.errors import ConfigError, FileReadError
from gradatim.store.output import is_special
from gradatim.tables.files.arrow_file import ArrowFile
from gradatim.tables.files.csv import DelimitedFile
from gradatim.tables.files.data_file import MISSING_VALUES, DataFile
from gradatim.tables.files.excel import ExcelFile
from gradatim.tables.files.file_list import FileList
from gradatim.tables.files.json_lines import JsonLinesFile
from gradatim.tables.files.many_files import ManyFiles
from gradatim.tables.files.orc import OrcFile
from gradatim.tables.files.packing import inner_name, packed_suffix
from gradatim.tables.files.parquet import ParquetFile
from gradatim.tables.files.reading import Reading
from gradatim.text import nearest_name

__all__ = ["FORMATS", "open_file", "written_format"]

FORMATS: tuple[type[DataFile], ...] = (
    DelimitedFile,
    ParquetFile,
    JsonLinesFile,
    ArrowFile,
    OrcFile,
    ExcelFile,
)
"""Every format that can be read: the one with a file's suffix reads it."""

NOT_READ = {
    ".xls": ("an old Excel workbook", "Its format is of 1997.\nSave it as .xlsx."),
    ".xlsb": ("a binary Excel workbook", "It is not read.\nSave it as .xlsx."),
    ".ods": ("a workbook of LibreOffice", "It is not read.\nSave it as .xlsx or CSV."),
    ".pkl": (
        "a pickle",
        "Reading it would run whatever code is in it.\n"
        "Write the table as Parquet: df.to_parquet(...).",
    ),
    ".h5": ("an HDF5 file", "It is not read.\nWrite the table as Parquet."),
    ".dta": ("a file of Stata", "It is not read.\nRead it with pandas.read_stata."),
    ".sav": ("a file of SPSS", "It is not read.\nRead it with pandas.read_spss."),
    ".sas7bdat": ("a file of SAS", "It is not read.\nRead it with pandas.read_sas."),
    ".rds": ("a file of R", "It is not read.\nIn R: write.csv(x, 'x.csv')."),
    ".rdata": ("a file of R", "It is not read.\nIn R: write.csv(x, 'x.csv')."),
    ".db": ("a data base", "It has many tables.\nExport one of them as CSV."),
    ".sqlite": ("a data base", "It has many tables.\nExport one of them as CSV."),
    ".html": ("a web page", "It is not read.\nSave its table as CSV."),
    ".xml": ("an XML file", "It is not read.\nSave its table as CSV."),
    ".pdf": ("a PDF", "It is not read.\nSave its table as CSV."),
    ".npy": ("an array of NumPy", "It names no columns.\nWrite the table as CSV."),
    ".npz": ("arrays of NumPy", "They name no columns.\nWrite the table as CSV."),
    ".tar": ("an archive", "It may hold many files.\nUnpack it, and name the file."),
    ".7z": ("an archive", "It is not read.\nUnpack it, and name the file."),
}
"""Files that people have tables in, what they are, and what to do with them."""
NOT_READ |= {".pickle": NOT_READ[".pkl"], ".hdf5": NOT_READ[".h5"]}
NOT_READ |= {".tgz": NOT_READ[".tar"], ".sqlite3": NOT_READ[".sqlite"]}


def open_file(
    path: str | Path,
    *,
    missing: Sequence[str] = MISSING_VALUES,
    reading: Reading = Reading(),  # noqa: B008, it is frozen
    asked: Sequence[str] | None = None,
) -> DataFile:
    r"""Open a data file by its suffix; ``DataFile`` says what can be read of it.

    Args:
        path: ``.csv``, ``.tsv``, ``.tab``, ``.txt``, with a header; ``.jsonl``,
            ``.ndjson``, ``.json`` (a list of objects); each also packed: ``.gz``,
            ``.bz2``, ``.xz``, ``.zst``, ``.zip``. Or ``.parquet``, ``.pq``,
            ``.feather``, ``.arrow``, ``.orc``, ``.xlsx``. Or a folder, or a pattern
            such as ``months/*.csv``: files that are read one after the other.
        missing: Texts that stand for a missing value.
        reading: What is said of how the file is to be read.
        asked: Which of it was said of this very file, and not of another, which may be
            of another format; all of it if None.

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
    if (files := FileList.of(path)) is not None:
        how = {"missing": missing, "reading": reading, "asked": asked}
        return _open_files(path, files, how, suffixes)
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
    if path.stat().st_size == 0:
        raise FileReadError(
            f"{path} is empty: 0 bytes.\n"
            "The first line must name the columns.\n"
            "Check that the program that wrote it has finished."
        )
    name, packing = inner_name(path), packed_suffix(path.name)
    for kind in FORMATS:
        if name.endswith(kind.suffixes):
            break
    else:
        if what := NOT_READ.get(Path(name).suffix):
            raise FileReadError(f"{path} is {what[0]}.\n{what[1]}")
        inside = f" (the file in it is {name})" if packing == ".zip" else ""
        raise FileReadError(
            f"{path} has a suffix that is none of {suffixes}{inside}.\n"
            "The suffix says how a file is read.\n"
            "Convert the file, or rename it if it is one of these."
        )
    if packing and not kind.may_be_packed:
        raise FileReadError(
            f"{path} is a packed file of a format that is packed in itself.\n"
            "Such formats are read from their own place on the disk.\n"
            "Unpack it, and name the file."
        )
    for option in reading.to_dict() if asked is None else asked:
        if option not in kind.options:
            raise ConfigError(
                f"{path} is no file that --{option.replace('_', '-')} is for.\n"
                "The option would do nothing: sheets are Excel's, all others are of "
                "CSV.\n"
                "Leave it out."
            )
    return kind(path, missing, reading)


def _open_files(
    path: Path, files: FileList, how: dict[str, Any], suffixes: str
) -> ManyFiles:
    """Open those of some files that have a suffix of a format."""
    of_format = [file for file in files.files if _has_format(file)]
    if not of_format:
        what = "is a folder" if path.is_dir() else "is a pattern"
        raise FileReadError(
            f"{path} {what} of {len(files.files)} files, and no table is among them.\n"
            "A table is read from files of one kind.\n"
            f"Name one, or a folder of files, that end in one of {suffixes}."
        )
    parts = [(open_file(file, **how), files.values(file)) for file in of_format]
    left_out = [file for file in files.files if not _has_format(file)]
    return ManyFiles(path, parts, left_out)


def _has_format(file: Path) -> bool:
    packing = packed_suffix(file.name)
    name = file.name.lower().removesuffix(packing)
    return packing == ".zip" or any(name.endswith(kind.suffixes) for kind in FORMATS)


def written_format(path: Path) -> type[DataFile] | None:
    """Give the format in which a file of this suffix is written; None if in none."""
    suffix = path.suffix.lower()
    return next((kind for kind in FORMATS if suffix in kind.written_suffixes), None)
