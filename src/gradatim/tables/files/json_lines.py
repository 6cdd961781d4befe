"""JSON lines: one object a line, whose names are the columns.

They are read by the standard library's parser, which tells the line of what is wrong
and refuses what is nested too deeply. Objects in objects are opened: ``{"at": {"lat":
1}}`` has the column ``at.lat``. Lists are kept as their text.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from gradatim.errors import DataError, FileReadError
from gradatim.tables.files.packing import inner_name
from gradatim.tables.files.python_values import arrow_of_column
from gradatim.tables.files.reading import Reading
from gradatim.tables.files.text_file import TextFile
from gradatim.tables.files.whole_file import WholeFile
from gradatim.text import shown

__all__ = ["JsonLinesFile"]

FREE_CELLS = 10_000_000
"""So many cells a table may have, however few of them have a value. By hand."""
CELLS_A_VALUE = 20
"""A table with more cells than this for each value is refused: its names differ from
line to line, and a small file would fill the memory. Chosen by hand."""


class JsonLinesFile(WholeFile):
    """A file with a JSON object on each line; ``.json`` may be one list of them."""

    suffixes = (".jsonl", ".ndjson", ".json")
    may_be_packed = True

    def __init__(self, path: Path, missing: Sequence[str], reading: Reading) -> None:
        self._lines: list[int] | None = None
        super().__init__(path, missing, reading)

    def load(self) -> pa.Table:
        """Parse every line, and make a column of each name."""
        text = TextFile.of(self.path)
        columns: dict[str, list[Any]] = {}
        num_rows = num_values = 0
        lines = []
        for line, row in self._objects(text):
            for name, value in _fields(row, "", self._place(line)):
                values = columns.get(name)
                if values is None:
                    self._check_cells(len(columns) * num_rows, num_values, line)
                    values = columns[name] = [None] * num_rows
                elif len(values) > num_rows:
                    raise FileReadError(
                        f"{self._place(line)}: {name!r} is there twice.\n"
                        "Either could be meant.\nLeave one of the two out."
                    )
                else:
                    values.extend([None] * (num_rows - len(values)))
                values.append(value)
                num_values += 1
            num_rows += 1
            lines.append(line)
        self._check_cells(len(columns) * num_rows, num_values, lines[-1:] or 1)
        for values in columns.values():
            values.extend([None] * (num_rows - len(values)))
        self._lines = lines
        if not columns:
            raise FileReadError(
                f"{self.path} has {num_rows:,} objects, and no value in them.\n"
                "There is nothing to read.\n"
                "Check that the program that wrote it has finished."
            )
        try:
            arrays = [arrow_of_column(name, each) for name, each in columns.items()]
        except DataError as error:
            raise FileReadError(f"{self.path}: {error}") from error
        return pa.Table.from_arrays(arrays, names=list(columns))

    def where(self, rows: Sequence[int]) -> list[str]:
        """Say on which lines some rows stand."""
        if self._lines is None or inner_name(self.path).endswith(".json"):
            return super().where(rows)
        return [f"line {self._lines[row]:,}" for row in rows]

    def _place(self, line: int) -> str:
        return f"{self.path}, line {line}"

    def _objects(self, text: TextFile) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Give each object with its line; of a list its place in the list."""
        with text.open() as file:
            start = file.peek(1 << 12).removeprefix(b"\xef\xbb\xbf").lstrip()
            if start[:1] == b"[" and inner_name(self.path).endswith(".json"):
                whole = self._parsed(file.read(), 1)
                for place, row in enumerate(whole, 1):
                    yield place, self._checked(row, f"{self.path}, object {place}")
                return
            for line, content in enumerate(file, 1):
                if content.strip():
                    row = self._parsed(content, line)
                    yield line, self._checked(row, self._place(line))

    def _parsed(self, content: bytes, line: int) -> Any:
        try:
            return json.loads(content.decode("utf-8-sig"))
        except RecursionError:
            why = "its lists and objects are nested too deeply"
        except UnicodeDecodeError as error:
            why = f"the byte 0x{content[error.start]:02X} is not UTF-8"
        except ValueError as error:
            why = str(error)
        raise FileReadError(
            f"{self._place(line)}: {why}.\n"
            "Each line has to be one JSON object, such as "
            '{"rooms": 3, "price": 250000}.\n'
            "Correct the line; of another form of JSON write such lines first, for "
            "example with pandas: to_json(..., orient='records', lines=True)."
        ) from None

    def _checked(self, row: Any, place: str) -> Mapping[str, Any]:
        if not isinstance(row, dict):
            raise FileReadError(
                f"{place}: {shown(row)} is no object.\n"
                "It does not say which columns its values belong to.\n"
                'Write each row as {"rooms": 3, "price": 250000}.'
            )
        return row

    def _check_cells(self, num_cells: int, num_values: int, line: Any) -> None:
        if num_cells > max(FREE_CELLS, CELLS_A_VALUE * num_values):
            raise FileReadError(
                f"{self.path}, line {line}: the lines so far have {num_values:,} "
                f"values, and their names would make {num_cells:,} cells of a table.\n"
                "Names that differ from line to line are values, and no columns.\n"
                "Give them a column of their own, and each line the same names."
            )


def _fields(
    row: Mapping[str, Any], before: str, place: str
) -> Iterator[tuple[str, Any]]:
    """Give the values of an object by name, those of objects in it included."""
    for name, value in row.items():
        try:
            name.encode()
        except UnicodeEncodeError:
            raise FileReadError(
                f"{place}: the name {shown(name)} has half of a character.\n"
                "It cannot be written as UTF-8.\nWrite the file again."
            ) from None
        if isinstance(value, dict):
            yield from _fields(value, f"{before}{name}.", place)
        elif isinstance(value, list):
            yield before + name, json.dumps(value)
        elif isinstance(value, str) and not value.isascii():
            yield before + name, value.encode(errors="replace").decode()
        else:
            yield before + name, value
