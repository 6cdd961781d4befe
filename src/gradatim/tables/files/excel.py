"""Excel workbooks (.xlsx), by way of openpyxl, the extra ``[excel]``.

openpyxl was chosen over python-calamine, which is several times faster and better kept:
a workbook of 1 kB with a cell at either end of its sheet made calamine 0.9.1 ask for
550 GB and end the process. openpyxl is Python, gives one row at a time, and can be
stopped. Nothing of a workbook is run: formulas have the values that Excel stored.
"""

import os
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from gradatim.errors import FileReadError
from gradatim.tables.files.column_source import check_names
from gradatim.tables.files.expansion import check_expansion, most_bytes
from gradatim.tables.files.packing import PIECE_BYTES
from gradatim.tables.files.python_values import arrow_of_column
from gradatim.tables.files.reading import Reading
from gradatim.tables.files.whole_file import WholeFile
from gradatim.text import listed, nearest_name, shown

__all__ = ["ExcelFile"]

MOST_ROWS = 1 << 20
"""A sheet has no more rows than this, says Excel's specification."""
FREE_CELLS = 10_000_000
CELLS_A_BYTE = 50
"""A file may have so many cells for each of its bytes, or the free ones: a row takes
some bytes, and can have a cell in its 18,000th column alone. Both chosen by hand."""
MOST_PART_BYTES = 1 << 24
"""Parts other than sheets and texts, such as styles, may be so large unpacked."""
LOOKED_AT = 100
"""So many rows tell the header from titles above it; chosen by hand."""

Row = tuple[int, list[Any]]
"""The number of a row in its sheet, from 1, and its values."""


class ExcelFile(WholeFile):
    """One sheet of a workbook: the one that is named, or the only one with values."""

    suffixes = (".xlsx", ".xlsm")
    options = frozenset({"sheet"})

    def __init__(self, path: Path, missing: Sequence[str], reading: Reading) -> None:
        self._rows: list[int] = []
        super().__init__(path, missing, reading)

    def load(self) -> pa.Table:
        """Read the rows of the sheet, and make columns of them."""
        try:
            import openpyxl
        except ImportError:
            raise FileReadError(
                f"{self.path} is an Excel workbook, whose reader is not installed.\n"
                "It is a package of its own: openpyxl.\n"
                'Install it: pip install "gradatim[excel]"; or save the sheet as CSV.'
            ) from None
        try:
            self._check_size()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what is not a value: styles, ...
                book = openpyxl.load_workbook(
                    self.path, read_only=True, data_only=True, keep_links=False
                )
                try:
                    return self._table_of(*self._chosen(book))
                finally:
                    book.close()
        except (FileReadError, MemoryError):
            raise
        except Exception as error:  # of any part of openpyxl, which checks little
            raise FileReadError(
                f"{self.path} cannot be read as an Excel workbook: "
                f"{type(error).__name__}: {error}\n"
                "A part of it is missing, was changed, or needs a password.\n"
                "Open it in a spreadsheet program, and save it again or as CSV."
            ) from error

    def where(self, rows: Sequence[int]) -> list[str]:
        """Say in which rows of the sheet some rows stand."""
        return [f"row {self._rows[row]:,} of the sheet" for row in rows]

    def _check_size(self) -> None:
        """Unpack all parts once, and count: what they claim may not be so."""
        num_bytes, most = 0, most_bytes(self.path)
        with zipfile.ZipFile(self.path) as archive:
            for info in archive.infolist():
                name, size = info.filename, 0
                is_data = "worksheets/" in name or name.endswith("sharedStrings.xml")
                if not name.endswith((".xml", ".rels")):
                    continue
                with archive.open(info) as part:
                    while piece := part.read(PIECE_BYTES):
                        size += len(piece)
                        num_bytes += len(piece)
                        check_expansion(self.path, num_bytes, most)
                        if size > MOST_PART_BYTES and not is_data:
                            raise ValueError(f"{name} is larger than any honest one")

    def _chosen(self, book: Any) -> tuple[Any, str]:
        """Give the sheet to read, and its name."""
        names, wanted = [sheet.title for sheet in book.worksheets], self.reading.sheet
        if wanted is None and len(names) == 1:
            return book.worksheets[0], names[0]
        if wanted is not None and wanted in names:
            return book.worksheets[names.index(wanted)], wanted
        if wanted is not None:
            raise FileReadError(
                f"{self.path} has no sheet {wanted!r}.{nearest_name(wanted, names)}\n"
                f"Its sheets are {listed(names, most=20)}.\n"
                "Name one of these: --sheet NAME."
            )
        raise FileReadError(
            f"{self.path} has {len(names)} sheets: {listed(names, most=20)}.\n"
            "A table is read from one of them.\n"
            f"Name it: --sheet {shown(names[0]) if names else 'NAME'}."
        )

    def _filled_rows(self, sheet: Any) -> Iterator[Row]:
        """Give the rows that have a value, without the empty cells at their ends."""
        num_cells = 0
        most = max(FREE_CELLS, CELLS_A_BYTE * os.path.getsize(self.path))
        sheet.reset_dimensions()  # what the file claims of them
        for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            num_cells += len(cells)
            if number > MOST_ROWS or num_cells > most:
                raise ValueError(
                    f"row {number:,} and {num_cells:,} cells are more than a file of "
                    "its size has"
                )
            values = [_plain(value) for value in cells]
            while values and values[-1] is None:
                values.pop()
            if values:
                yield number, values

    def _table_of(self, sheet: Any, name: str) -> pa.Table:
        where = f"{self.path}, sheet {name!r}"
        rows = list(self._filled_rows(sheet))
        header = _header(rows)
        if not rows:
            raise FileReadError(
                f"{where} has no values.\nThere is nothing to read.\n"
                "Name another sheet: --sheet NAME."
            )
        notes = []
        if header:
            first = next(value for value in rows[0][1] if value is not None)
            notes.append(
                f"rows above the header left out, such as {shown(str(first))}; the "
                f"header is row {rows[header][0]} of the sheet"
            )
        names = ["" if n is None else str(n) for n in rows[header][1]]
        rows = rows[header + 1 :]
        width = max([len(names), *(len(values) for _, values in rows)])
        names += [""] * (width - len(names))
        self._rows = [number for number, _ in rows]
        columns = {}
        for place, column_name in enumerate(names):
            values = [row[place] if place < len(row) else None for _, row in rows]
            if not column_name.strip():
                has_values = any(value is not None for value in values)
                if not place:
                    notes.append(
                        "the first column has no name and is left out, as an index; "
                        "give it a name to use it"
                    )
                elif has_values:
                    check_names(where, names)
                continue
            if column_name in columns:
                check_names(where, [n for n in names if n.strip()])
            columns[column_name] = arrow_of_column(column_name, values)
        self.notes = tuple(notes)
        return pa.Table.from_arrays(list(columns.values()), names=list(columns))


def _plain(value: Any) -> Any:
    """Give a value as the other formats have it: no empty text."""
    if isinstance(value, str):
        value = value.encode(errors="replace").decode()
        return value if value.strip() else None
    return value


def _header(rows: Sequence[Row]) -> int:
    """Give the place of the header: the first row that is as wide as most rows are."""
    filled = [sum(v is not None for v in values) for _, values in rows[:LOOKED_AT]]
    if len(filled) < 3:
        return 0
    usual = sorted(filled)[len(filled) // 2]
    wide = (n for n, count in enumerate(filled) if count >= max(2, usual - 1))
    return next(wide, 0) if usual > 2 else next((n for n in wide), 0)
