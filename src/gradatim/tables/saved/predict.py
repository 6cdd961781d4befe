"""Answers to the rows of a file, written in memory that does not grow with the file."""

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from gradatim.errors import ConfigError, DataError
from gradatim.store.output import is_special, output_file
from gradatim.tables.files.csv import DelimitedFile
from gradatim.tables.files.data_file import DataFile
from gradatim.tables.files.file_list import files_of
from gradatim.tables.files.formats import written_format
from gradatim.tables.files.formulas import without_formulas
from gradatim.tables.fit.fit import predict_rows
from gradatim.tables.model.network import TableModel
from gradatim.tables.model.quantiles import quantile_name
from gradatim.tables.schema.schema import Schema
from gradatim.tables.schema.value_notices import ValueNotices
from gradatim.tables.table import open_as
from gradatim.threads import threads

__all__ = [
    "answer_columns",
    "beside_input",
    "format_to_write",
    "num_cores",
    "predict_file",
    "writing",
]

BATCH_ROWS = 65_536
"""How many rows are answered at a time; chosen by hand, not measured."""

Result = TypeVar("Result")


def num_cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def predict_file(
    model: TableModel,
    schema: Schema,
    source: Path,
    output: Path | None,
    *,
    with_input: bool = False,
    batch_rows: int = BATCH_ROWS,
    num_threads: int = 1,
    safe_csv: bool = False,
    reading: Mapping[str, Any] | None = None,
) -> tuple[int, ValueNotices]:
    """Predict every row of a file; its columns are matched by name.

    Args:
        model: The model of a run.
        schema: The schema of the same run.
        source: The data file.
        output: A ``.csv`` or ``.parquet`` file, written whole or not at all and never
            over ``source``; or a device or a pipe, which gets CSV if its name ends in
            nothing else; None for CSV on standard output.
        with_input: Write the columns of ``source`` before the predictions.
        batch_rows: How many rows are answered at a time.
        num_threads: How many batches are worked on at once, each by one thread. The
            answers have the same bits for any number, and a busy core delays its own
            batch only. The network must not keep anything between calls.
        safe_csv: Put an apostrophe before texts that a spreadsheet would run as
            formulas.
        reading: The ``sheet``, ``encoding`` and so on of this file, where it is not
            that of the training file.

    Returns:
        How many rows there were, and what was unusual among their values.

    Raises:
        ConfigError: ``output`` has another suffix, or is ``source``; or ``safe_csv`` is
            asked for and it is no CSV.
        DataError: ``source`` is damaged, lacks a column, or has no row.
    """
    kind = DelimitedFile if output is None else format_to_write(source, output)
    if safe_csv and kind is not DelimitedFile:
        raise ConfigError(
            f"--safe-csv is for CSV, and -o {output} is not.\n"
            "Spreadsheets run formulas in CSV files alone.\n"
            "Leave the option out, or name a file that ends in .csv."
        )
    file = open_as(source, schema, reading or {})
    names = file.names
    extra = schema.check_names(names)
    types = {column.name: column.read_type for column in schema.read_features}
    wanted = [name for name in names if with_input or name in types]
    # Columns that are only passed on are read as text, so that they come out unchanged.
    types |= {name: pa.string() for name in wanted if name not in types}
    notices, num_rows = (
        ValueNotices(extra=extra, where=file.where, of_file=file.notes),
        0,
    )
    batches = file.batches(types, wanted, batch_rows=batch_rows)

    def answer(batch: pa.RecordBatch) -> tuple[pa.RecordBatch, Tensor, ValueNotices]:
        torch.set_num_threads(1)  # it holds for this thread alone
        x, unusual = schema.encode(batch)
        unusual.extra = extra
        return batch, predict_rows(model, x), unusual

    half_width = None
    if model.conformal is not None:
        half_width = model.conformal.half_widths["model"]
    model.eval()  # before the threads begin, as they share the model
    with threads(1), writing(output, kind) as write:
        for batch, answers, unusual in _in_order(answer, batches, num_threads):
            notices.add(unusual, num_rows)
            notices.look_at(answers, num_rows)
            columns = answer_columns(schema, answers, half_width, model.quantiles)
            if with_input:
                columns = beside_input(names, batch, columns)
            rows = pa.table(columns)
            write(without_formulas(rows) if safe_csv else rows)
            num_rows += batch.num_rows
        if num_rows == 0:
            raise DataError(f"{source} has a header and no row: nothing to predict.")
    return num_rows, notices


def _in_order(
    work: Callable[[pa.RecordBatch], Result],
    batches: Iterable[pa.RecordBatch],
    num_threads: int,
) -> Iterator[Result]:
    """Work on some batches at once, and give the results in the batches' order.

    At most as many batches wait as are worked on, so that memory does not grow with the
    file.
    """
    if num_threads == 1:
        yield from map(work, batches)
        return
    with ThreadPoolExecutor(num_threads) as pool:
        under_way: deque[Future[Result]] = deque()
        try:
            for batch in batches:
                under_way.append(pool.submit(work, batch))
                if len(under_way) > 2 * num_threads:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)


def answer_columns(
    schema: Schema,
    answers: Tensor,
    half_width: float | Tensor | None = None,
    quantiles: Sequence[float] = (),
) -> dict[str, Any]:
    """Name the answers: ``prediction``, and ``probability_<label>`` of classes.

    With the half width of intervals there are ``lower`` and ``upper`` beside. Of
    quantiles each is a column, ``quantile_0.05`` and so on.
    """
    target = schema.target
    assert target is not None
    if quantiles:
        values = answers.numpy() + target.origin
        names = map(quantile_name, quantiles)
        return dict(zip(names, np.ascontiguousarray(values.T), strict=True))
    if target.task == "regression":
        columns = {"prediction": answers.numpy() + target.origin}
        if half_width is not None:
            columns["lower"] = (answers - half_width).numpy() + target.origin
            columns["upper"] = (answers + half_width).numpy() + target.origin
        return columns
    labels = pa.array(list(target.labels))
    columns = {"prediction": labels.take(pa.array(answers.argmax(dim=1).numpy()))}
    # The labels are those that Arrow writes: a column is named like its prediction.
    for index, label in enumerate(labels.cast(pa.string()).to_pylist()):
        columns[f"probability_{label}"] = np.ascontiguousarray(answers[:, index])
    return columns


def beside_input(
    names: Sequence[str], batch: pa.RecordBatch | pa.Table, answers: dict[str, Any]
) -> dict[str, Any]:
    """Put the columns of the file before the answers."""
    if in_both := [name for name in names if name in answers]:
        raise ConfigError(
            f"the file has a column {in_both[0]!r} of its own.\n"
            "The answer of this name would take its place.\n"
            "Rename it, or leave out --with-input."
        )
    return {**dict(zip(names, batch.columns, strict=True)), **answers}


def format_to_write(source: Path, output: Path) -> type[DataFile]:
    """Give the format of an output; refuse one that cannot be, or is the source."""
    if is_special(output):
        return written_format(output) or DelimitedFile
    kind = written_format(output)
    if kind is None:
        raise ConfigError(
            f"-o {output} ends in {output.suffix!r}.\n"
            "The suffix says how the file is written.\n"
            "Name a file that ends in .csv or .parquet."
        )
    if any(
        output.exists() and file.exists() and os.path.samefile(file, output)
        for file in files_of(source)
    ):
        raise ConfigError(
            f"-o {output} is the file that is read.\n"
            "The rows would be gone.\nName another file."
        )
    if output.is_dir():
        raise ConfigError(f"-o {output} is a folder. Name a file in it.")
    if not output.parent.is_dir():
        raise ConfigError(f"-o {output}: there is no folder {output.parent}.")
    return kind


@contextlib.contextmanager
def writing(
    output: Path | None, kind: type[DataFile]
) -> Iterator[Callable[[pa.Table], None]]:
    """Give the function that writes a table; the file appears when all is written."""
    writer: Any = None  # the first table says which columns

    def write(table: pa.Table) -> None:
        nonlocal writer
        writer = writer or kind.writer(file, table.schema)
        writer.write(table)

    with output_file(output or Path("-")) as file:
        try:
            yield write
        finally:
            if writer is not None:
                writer.close()
