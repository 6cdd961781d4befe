"""The test rows of a run: which they were, what they have, and what was answered.

The answers are those of the model that was scored, which had not seen the row; of
several folds, each row's own. They are in a folder ``test_rows/`` of the run, so that a
score can be computed again, or another one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from gradatim.errors import ConfigError, DamagedError, RunError
from gradatim.store.disk import Buffer
from gradatim.store.manifest import read_folder
from gradatim.store.tensors import read_tensors, tensor_parts
from gradatim.tables.files.csv import DelimitedFile
from gradatim.tables.files.formulas import without_formulas
from gradatim.tables.fit.fit import FittedTable, Scored
from gradatim.tables.saved.predict import (
    answer_columns,
    beside_input,
    format_to_write,
    writing,
)
from gradatim.tables.schema.schema import Schema
from gradatim.tables.table import open_as

__all__ = ["TEST_ROWS", "TestRows", "predict_test_rows", "test_row_files"]

TEST_ROWS = "test_rows"
TENSORS = "rows.safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class TestRows:
    """The test rows of a run, in the order of their numbers."""

    __test__ = False  # pytest takes classes of such a name for its own

    row: Tensor
    """Their numbers in the file, counted from 0 and without the header."""
    fold: Tensor
    """The fold of each, counted from 1."""
    target: Tensor
    """What is to be predicted, as ``Table.y`` has it."""
    answer: Tensor
    """What the model answered, as ``TableModel.answers`` has it."""
    half_width: Tensor | None = None
    """By how much the interval of each reaches to both sides, if there are some."""

    @classmethod
    def of(cls, fitted: FittedTable) -> "TestRows":
        """Take the test rows of what was fitted; there is one at least."""
        table = fitted.plan.table
        assert table.y is not None
        tests = fitted.tests
        places = torch.cat([test.rows for test in tests])
        sizes = torch.tensor([len(test.rows) for test in tests])
        row = table.row_numbers[places]
        order = row.argsort(stable=True)
        return cls(
            row=row[order],
            fold=torch.arange(1, len(tests) + 1).repeat_interleave(sizes)[order],
            target=table.y[places][order],
            answer=torch.cat([test.answers for test in tests])[order],
            half_width=_half_widths(tests, sizes, order),
        )

    @classmethod
    def read(
        cls, run: Path, schema: Schema, quantiles: Sequence[float] = ()
    ) -> "TestRows":
        """Read those of a run; what does not fit its schema is a ``DamagedError``.

        Raises:
            RunError: The run has none: nothing was scored, or it is of a version that
                did not keep them.
        """
        path = run / TEST_ROWS
        if not path.is_dir():
            raise RunError(
                f"{run} has no test rows.\n"
                "Its training has not ended, nothing was scored (--test 0), or an "
                "earlier version trained it.\n"
                "Train again, with rows to test on."
            )
        content = read_folder(path, known={TENSORS})[TENSORS]
        state = read_tensors(content, str(path / TENSORS))
        fits = set(state) | {"half_width"} == set(cls.__slots__)
        rows = cls(**state) if fits else None
        if rows is None or not rows._fit(len(schema.labels), len(quantiles)):
            raise DamagedError(
                f"{path / TENSORS} does not fit the run's schema.\n"
                "The two are not of the same run.\nCopy the run folder again, whole."
            )
        return rows

    def _fit(self, num_classes: int, num_quantiles: int) -> bool:
        """Say whether shapes, dtypes and codes are those of such a task."""
        count = len(self.row) if self.row.ndim == 1 else -1
        columns = num_classes or num_quantiles
        shape = (count, columns) if columns else (count,)
        whole, target = torch.int64, self.target
        types = [self.row.dtype, self.fold.dtype, target.dtype]
        fits = types == [whole, whole, whole if num_classes else torch.float32]
        fits = fits and self.answer.is_floating_point() and self.answer.shape == shape
        fits = fits and self.fold.shape == target.shape == (count,)
        if self.half_width is not None:
            fits = fits and self.half_width.dtype == torch.float64 and not num_classes
            fits = fits and self.half_width.shape == (count,)
        if not fits or count < 1:
            return False
        is_class = (target >= 0) & (target < num_classes)
        in_order = bool((self.row >= 0).all() and (self.row.diff() >= 0).all())
        return in_order and (not num_classes or bool(is_class.all()))

    def columns(self, schema: Schema) -> dict[str, Any]:
        """Name what they have: row (from 1), fold where there are several, target."""
        target = schema.target
        assert target is not None
        columns: dict[str, Any] = {"row": (self.row + 1).numpy()}
        if self.fold.max() > 1:
            columns["fold"] = self.fold.numpy()
        if target.task == "regression":
            values = self.target  # float32, which is written with its own digits
            values = values.double() + target.origin if target.origin else values
            columns[target.name] = values.numpy()
        else:
            codes = pa.array(self.target.numpy())
            columns[target.name] = pa.array(list(target.labels)).take(codes)
        return columns


def test_row_files(rows: TestRows) -> dict[str, Iterable[Buffer]]:
    """Give the files of the folder ``test_rows``."""
    values = {name: getattr(rows, name) for name in TestRows.__slots__}
    state = {name: v.contiguous() for name, v in values.items() if v is not None}
    return {TENSORS: tensor_parts(state)}


def _half_widths(
    tests: Sequence[Scored], sizes: Tensor, order: Tensor
) -> Tensor | None:
    """Give each row the half width of its fold."""
    widths = [test.interval[1] for test in tests if test.interval is not None]
    if not widths:
        return None
    of_folds = torch.tensor(widths, dtype=torch.float64)
    return of_folds.repeat_interleave(sizes)[order]


test_row_files.__test__ = False  # type: ignore[attr-defined]


def predict_test_rows(
    run: Path,
    schema: Schema,
    output: Path | None,
    *,
    source: Path | None = None,
    quantiles: Sequence[float] = (),
    safe_csv: bool = False,
) -> int:
    """Write the test rows of a run with their targets and answers; give their number.

    Args:
        run: The run's folder.
        schema: The schema of the run.
        output: A ``.csv`` or ``.parquet`` file; None for CSV on standard output.
        source: The file with the rows, whose own columns are written, too.
        quantiles: Those that the run predicts, if any.
        safe_csv: Put an apostrophe before texts that a spreadsheet would run.
    """
    kind = DelimitedFile if output is None else format_to_write(source or run, output)
    if safe_csv and kind is not DelimitedFile:
        raise ConfigError(
            f"--safe-csv is for CSV, and -o {output} is not.\n"
            "Spreadsheets run formulas in CSV files alone.\n"
            "Leave the option out, or name a file that ends in .csv."
        )
    rows = TestRows.read(run, schema, quantiles)
    own = rows.columns(schema)
    answers = answer_columns(schema, rows.answer, rows.half_width, quantiles)
    if source is not None:
        given = _input_of(source, schema, rows.row.numpy())
        target = list(own)[-1]
        own = beside_input(
            given.schema.names,
            given,
            {k: v for k, v in own.items() if k != target},
        )
    if in_both := [name for name in own if name in answers]:
        raise ConfigError(
            f"the file has a column {in_both[0]!r} of its own.\n"
            "The answer of this name would take its place.\nRename it."
        )
    table = pa.table({**own, **answers})
    with writing(output, kind) as write:
        write(without_formulas(table) if safe_csv else table)
    return len(rows.row)


def _input_of(source: Path, schema: Schema, rows: Any) -> pa.Table:
    """Read the rows of these numbers, as text."""
    file = open_as(source, schema, {})
    taken, start = [], 0
    for batch in file.batches(dict.fromkeys(file.names, pa.string()), file.names):
        first, end = np.searchsorted(rows, (start, start + batch.num_rows))
        taken.append(batch.take(pa.array(rows[first:end] - start)))
        start += batch.num_rows
    if len(rows) and rows[-1] >= start:
        raise RunError(
            f"{source} has {start:,} rows, and row {rows[-1] + 1:,} was tested on.\n"
            "It is not the file that the run was trained on.\n"
            "Name that one."
        )
    return pa.Table.from_batches(taken)
