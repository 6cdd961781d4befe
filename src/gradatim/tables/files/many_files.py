"""Several files of one kind with the same columns, read as one table."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from gradatim.errors import FileReadError
from gradatim.tables.files.arrow import array_of
from gradatim.tables.files.column_source import ColumnSource, check_present
from gradatim.tables.files.csv import DelimitedFile
from gradatim.tables.files.data_file import DataFile, Names, Types
from gradatim.text import listed

__all__ = ["ManyFiles"]

WHOLE_NUMBER = re.compile(r"[+-]?(0|[1-9]\d{0,17})")

Values = Mapping[str, str | None]
"""What the names of a file's folders say of its columns."""


class ManyFiles(DataFile):
    """Files that are read one after the other; ``formats`` opens each of them.

    Args:
        path: The folder or pattern that means them.
        parts: Each file, and the values that its folders' names give.
        left_out: What else is there, and is no table.

    Raises:
        FileReadError: Their kinds or columns differ.
    """

    def __init__(
        self,
        path: Path,
        parts: Sequence[tuple[DataFile, Values]],
        left_out: Sequence[Path],
    ) -> None:
        self.path = path
        self._parts = [file for file, _ in parts]
        self._values = [values for _, values in parts]
        self._rows: list[int | None] = [None] * len(parts)
        first, keys = parts[0][0], tuple(parts[0][1])
        for file, values in parts:
            _check_like(file, values, first, keys)
        self.names = (*first.names, *keys)
        self._hive = {key: _kind_of([v[key] for v in self._values]) for key in keys}
        self.notes = self._all_notes(left_out)

    def _all_notes(self, left_out: Sequence[Path]) -> tuple[str, ...]:
        first, last = self._parts[0].path, self._parts[-1].path
        notes = []
        if len(self._parts) > 1:
            count = len(self._parts)
            notes.append(f"{count:,} files are read, from {first} to {last}")
        if left_out:
            names = listed([file.name for file in left_out])
            notes.append(f"left out, as their suffixes are of no table: {names}")
        of_files: dict[str, list[str]] = {}
        for part in self._parts:
            for note in part.notes:
                of_files.setdefault(note, []).append(str(part.path))
        for note, files in of_files.items():
            more = f" and {len(files) - 1:,} more files" if len(files) > 1 else ""
            notes.append(f"{files[0]}{more}: {note}")
        return tuple(notes)

    def read(
        self, types: Types | None = None, columns: Names | None = None
    ) -> pa.Table:
        """Read all files into one table."""
        check_present(self.path, self.names, columns or ())
        source = self.source(types)
        names = source.names if columns is None else columns
        return pa.Table.from_arrays([source.take(n) for n in names], list(names))

    def source(
        self, types: Types | None = None, *, doubles: Names = (), texts: Names = ()
    ) -> ColumnSource:
        """Give the columns of all files, each with one type.

        Where types differ from file to file, as of ``3`` and ``3.5``, the wider one is
        taken; a column of text files that has none is text, as in a file of its own.
        """
        names = self.names
        sources = self._sources(types, doubles, texts)
        mixed = _mixed(sources)
        is_text = types is None and isinstance(self._parts[0], DelimitedFile)
        if mixed and not is_text:
            name, one, other = mixed[0]
            raise FileReadError(
                f"{self._parts[other].path}: the column {name!r} has another type "
                f"than in {self._parts[one].path}.\n"
                "A column is read with one type.\n"
                "Write the files with the same types."
            )
        if types is None:
            texts_ = [name for name, _, _ in mixed]
            uneven = [n for n in _uneven(sources) if n not in texts_]
            if texts_ or uneven:
                del sources
                doubles, texts = (*doubles, *uneven), (*texts, *texts_)
                sources = self._sources(types, doubles, texts)
        else:
            names = tuple(n for n in names if n in types)
        num_rows = [source.num_rows for source, _ in sources]
        self._rows = [*num_rows]
        columns = [taken for _, taken in sources]
        of_files = [source for source, _ in sources]

        def take(name: str) -> pa.ChunkedArray:
            if name in self._hive:
                chunks = [
                    self._hive_column(place, name, count, (types or {}).get(name))
                    for place, count in enumerate(num_rows)
                ]
                return _as_one([pa.chunked_array([chunk]) for chunk in chunks])
            return _as_one([column.pop(name) for column in columns])

        return ColumnSource(
            names,
            sum(num_rows),
            take,
            self.where,
            self.notes,
            decimal_commas=any(source.decimal_commas for source in of_files),
            read_commas={k: v for s in of_files for k, v in s.read_commas.items()},
            doubtful={k: v for s in of_files for k, v in s.doubtful.items()},
        )

    def _sources(
        self, types: Types | None, doubles: Names, texts: Names
    ) -> list[tuple[ColumnSource, dict[str, pa.ChunkedArray]]]:
        sources = []
        for part in self._parts:
            given = types and {n: k for n, k in types.items() if n in part.names}
            source = part.source(given, doubles=doubles, texts=texts)
            names = [n for n in source.names if types is None or n in types]
            sources.append((source, {name: source.take(name) for name in names}))
        return sources

    def _hive_column(self, place: int, name: str, count: int, kind: Any) -> pa.Array:
        """Give the value of a folder's name to each row of a file in it."""
        kind = self._hive[name] if kind is None else kind
        is_shared = pa.types.is_dictionary(kind)
        value = self._values[place][name]
        if value is None:
            return pa.nulls(count, kind)
        try:
            one = array_of([value], pa.string()).cast(
                kind.value_type if is_shared else kind
            )
        except pa.ArrowInvalid as error:
            raise FileReadError(
                f"{self._parts[place].path}: the folder's {name}={value} does not fit "
                f"the column: {error}.\n"
                "This column is always read with the type it was given.\n"
                "Name the folder as those of training."
            ) from error
        rows = one.take(pa.nulls(count, pa.int64()).fill_null(0))
        return rows.dictionary_encode() if is_shared else rows

    def batches(
        self, types: Types, columns: Names | None = None, *, batch_rows: int = 65_536
    ) -> Iterator[pa.RecordBatch]:
        """Read file by file."""
        check_present(self.path, self.names, columns or ())
        names = list(self.names if columns is None else columns)
        of_file = [name for name in names if name not in self._hive]
        # Without a column of its own, a file would have no rows.
        of_file = of_file or [self.names[0]]
        schema = None
        for place, part in enumerate(self._parts):
            given = {n: kind for n, kind in types.items() if n not in self._hive}
            count = 0
            for batch in part.batches(given, of_file, batch_rows=batch_rows):
                values = {
                    name: self._hive_column(
                        place, name, batch.num_rows, types.get(name)
                    )
                    if name in self._hive
                    else batch.column(of_file.index(name))
                    for name in names
                }
                whole = pa.RecordBatch.from_arrays(list(values.values()), names)
                count += whole.num_rows
                schema = schema or whole.schema
                yield _cast(whole, schema, part.path)
            self._rows[place] = count

    def where(self, rows: Sequence[int]) -> list[str]:
        """Say in which file some rows are, and where in it."""
        answers: list[str] = []
        rest, start = list(rows), 0
        for place, part in enumerate(self._parts):
            count = self._rows[place]
            if not rest:
                break
            if count is None:
                count = self._rows[place] = part.source().num_rows
            inside = [row - start for row in rest if row < start + count]
            answers += [f"{part.path}, {where}" for where in part.where(inside)]
            rest, start = rest[len(inside) :], start + count
        return answers


def _check_like(
    file: DataFile, values: Values, first: DataFile, keys: Sequence[str]
) -> None:
    """Check that a file is of the kind of the first, and has the same columns."""
    if type(file) is not type(first):
        raise FileReadError(
            f"{file.path} is of another kind than {first.path}.\n"
            "Files are read as one table where they are of one kind.\n"
            "Name those that are meant, by a pattern in quotes such as 'months/*.csv'."
        )
    if twice := [key for key in values if key in file.names]:
        raise FileReadError(
            f"{file.path} has a column {twice[0]!r}, and so have its folders' names: "
            f"{twice[0]}={values[twice[0]]}.\n"
            "Either could be meant.\n"
            "Rename one of the two."
        )
    names, wanted = Counter((*file.names, *values)), Counter((*first.names, *keys))
    lacks, more = list(wanted - names), list(names - wanted)
    if lacks or more:
        what = f"lacks {listed(lacks)}" if lacks else f"has {listed(more)} besides"
        raise FileReadError(
            f"{file.path} has other columns than {first.path}: it {what}.\n"
            "Files are read as one table where they have the same columns.\n"
            "Name those that are meant, by a pattern in quotes such as 'months/*.csv'."
        )


def _kind_of(values: Sequence[str | None]) -> Any:
    """Give the type of values in folders' names: whole numbers, or text."""
    given = [value for value in values if value is not None]
    whole = given and all(map(WHOLE_NUMBER.fullmatch, given))
    return pa.int64() if whole else pa.string()


def _plain(kind: Any) -> Any:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _joined(kinds: Sequence[Any]) -> Any:
    """Give the type that has the values of all; raise ``pa.ArrowException``."""
    if all(kind == kinds[0] for kind in kinds):
        return kinds[0]
    schemas = [pa.schema([pa.field("", _plain(kind))]) for kind in kinds]
    return pa.unify_schemas(schemas, promote_options="permissive").field(0).type


def _mixed(
    sources: Sequence[tuple[ColumnSource, Mapping[str, pa.ChunkedArray]]],
) -> list[tuple[str, int, int]]:
    """Name the columns without a common type, and the files in which they differ.

    Of a column with decimal commas, a number with a point may be thousands.
    """
    mixed = []
    for name in sources[0][1]:
        kinds = [columns[name].type for _, columns in sources]
        other = next((n for n, kind in enumerate(kinds) if kind != kinds[0]), 0)
        signs = {
            name in source.read_commas
            for (source, _), kind in zip(sources, kinds, strict=True)
            if pa.types.is_floating(kind)
        }
        try:
            kind = _joined(kinds)
        except pa.ArrowException:
            kind = None
        families = {_family(each) for each in kinds} - {"null"}
        if kind is None or len(signs) > 1 or len(families) > 1:
            mixed.append((name, 0, other))
    return mixed


def _uneven(
    sources: Sequence[tuple[ColumnSource, Mapping[str, pa.ChunkedArray]]],
) -> list[str]:
    """Name the columns of numbers whose types differ: as doubles they are the same.

    A text file gives float32 where that loses nothing in the file itself.
    """
    uneven = []
    for name in sources[0][1]:
        kinds = {columns[name].type for _, columns in sources}
        kinds = {kind for kind in kinds if not pa.types.is_null(kind)}
        if len(kinds) > 1 and all(_family(kind) == "number" for kind in kinds):
            uneven.append(name)
    return uneven


def _family(kind: Any) -> str:
    """Say of what sort a type is: values of different sorts are not promoted."""
    is_a = pa.types
    if is_a.is_null(kind):
        return "null"
    if is_a.is_integer(kind) or is_a.is_floating(kind):
        return "number"
    if is_a.is_dictionary(kind) or is_a.is_string(kind) or is_a.is_large_string(kind):
        return "text"
    return str(kind)


def _as_one(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Put columns one behind the other, with the type that all have in common."""
    kind = _joined([column.type for column in columns])
    same = [
        column if column.type == kind else column.cast(kind, safe=False)
        for column in columns
    ]
    chunks = [chunk for column in same for chunk in column.chunks]
    return pa.chunked_array(chunks, kind)


def _cast(batch: pa.RecordBatch, schema: Any, path: Path) -> pa.RecordBatch:
    """Give a batch the types of the first file, so that all can be written as one."""
    if batch.schema == schema:
        return batch
    try:
        columns = [
            column.cast(field.type)
            for column, field in zip(batch.columns, schema, strict=True)
        ]
    except pa.ArrowException as error:
        raise FileReadError(
            f"{path} has other types than the first of the files: {error}.\n"
            "Predictions are written with one type a column.\n"
            "Write the files with the same types, or predict each by itself."
        ) from error
    return pa.RecordBatch.from_arrays(columns, schema=schema)
