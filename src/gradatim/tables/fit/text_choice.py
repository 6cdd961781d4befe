"""Which texts are read: those that help a linear model on the validation rows.

For each column that may be text, ridge regression is fitted with and without hashed
counts of its n-grams on some training rows, and compared on some validation rows. That
costs less than an epoch of training, and says whether there is anything to be learned.
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from gradatim.tables.features import TableEncoder
from gradatim.tables.files.arrow import array_of
from gradatim.tables.fit.split_table import Rows
from gradatim.tables.model.linear import RIDGE_PENALTIES
from gradatim.tables.schema.columns import Column
from gradatim.tables.schema.schema import Schema
from gradatim.tables.schema.texts import text_column
from gradatim.tables.schema.value_notices import ValueNotices
from gradatim.tables.schema.values_to_codes import codes_of_texts
from gradatim.tables.table import Table
from gradatim.threads import threads

__all__ = ["with_texts"]

MOST_TRAIN = 4_000
"""So many training rows are enough to see whether a text tells something."""
MOST_VAL = 2_000
LEAST_GAIN = 0.01
"""A text explains at least so much more of the variance of the targets."""
SURE = 2.0
"""The gain is so many times its standard error: by chance, 1 text in 40 seems to help
so much. Chosen by hand, not measured."""
MOST_CLASSES = 8
"""The most frequent classes decide."""


def with_texts(table: Table, rows: Rows) -> Table:
    """Read the texts of a table that help, and say of each how much it does.

    ``rows`` are those of the (first) training. Nothing is looked at but its training
    and validation rows.
    """
    for name, values in table.texts.items():
        column = table.schema.column(name)
        text = text_column(column, _as_dictionary(values))
        with threads(1):  # more would wait for each other most of the time
            without, with_it, helps = _compare(table, rows, text, values)
        numbers = (
            f"R2 of a linear model on validation rows {with_it:.2f} with it, "
            f"{without:.2f} without"
        )
        if helps:
            table = _with_text(table, replace(text, reason=numbers), values)
        else:
            reason = f"{column.reason}; {numbers}"
            table = _with_column(table, replace(column, reason=reason))
    return replace(table, texts={})


def _as_dictionary(values: pa.Array) -> pa.Array:
    is_one = pa.types.is_dictionary(values.type)
    return values if is_one else values.dictionary_encode()


def _taken(values: pa.Array, rows: Tensor) -> pa.Array:
    """Take some rows, with a dictionary of their values alone."""
    some = values.take(array_of(rows.numpy(), pa.int64()))
    return some.cast(pa.string()).dictionary_encode()


def _with_column(table: Table, column: Column) -> Table:
    columns = table.schema.columns
    columns = tuple(column if c.name == column.name else c for c in columns)
    return replace(table, schema=replace(table.schema, columns=columns))


def _with_text(table: Table, column: Column, values: pa.Array) -> Table:
    """Let a column be a feature, in the order of the schema's columns."""
    codes = codes_of_texts(_as_dictionary(values), column, table.notices)
    before = table.schema.group("texts")
    table = _with_column(table, column)
    parts = {column.name: codes}
    if before:
        pieces = table.x["texts"].split([c.num_ngrams for c in before], dim=1)
        parts |= {c.name: piece for c, piece in zip(before, pieces, strict=True)}
    names = [c.name for c in table.schema.group("texts")]
    texts = torch.cat([parts[name] for name in names], dim=1)
    return replace(table, x={**table.x, "texts": texts})


def _compare(
    table: Table, rows: Rows, column: Column, values: pa.Array
) -> tuple[float, float, bool]:
    """Give R2 on validation rows without and with a text, and whether it helps.

    The other features are those of the table but for texts.
    """
    train, val = rows.train[:MOST_TRAIN], rows.val[:MOST_VAL]
    both, num_train = torch.cat((train, val)), len(train)
    y = _targets(table, both)
    others = [c for c in table.schema.columns if c.group != "texts"]
    x = {n: codes[both] for n, codes in table.x.items() if n != "texts"}
    known = y[:, :0]
    if x:
        known = _features(replace(table.schema, columns=tuple(others)), x, num_train)
    texts = codes_of_texts(_taken(values, both), column, ValueNotices())
    schema = replace(table.schema, columns=(column,))
    text = _features(schema, {"texts": texts}, num_train)
    before = _squared_errors(known, y, num_train)
    after = _squared_errors(torch.cat((known, text), dim=1), y, num_train)
    spread = (y[num_train:] - y[:num_train].mean(dim=0)).square().sum(dim=1).mean()
    spread = spread.clamp(min=torch.finfo(spread.dtype).tiny)
    gain = (before - after) / spread
    error = gain.std().item() / len(gain) ** 0.5
    helps = gain.mean().item() > max(LEAST_GAIN, SURE * error)
    without, with_it = (1 - (e.mean() / spread).item() for e in (before, after))
    return without, with_it, helps


def _features(schema: Schema, x: dict[str, Tensor], num_train: int) -> Tensor:
    """Make features of all rows, with the statistics of the first ``num_train``."""
    encoder = TableEncoder(schema, linear=True)
    encoder.fit({name: codes[:num_train] for name, codes in x.items()})
    with torch.no_grad():
        return encoder(x).double()


def _targets(table: Table, rows: Tensor) -> Tensor:
    """Give the targets, or the indicators of the most frequent classes."""
    assert table.y is not None
    y = table.y[rows]
    if not table.schema.labels:
        return y.double().unsqueeze(1)
    most = np.argsort(-np.bincount(y.numpy()), kind="stable")[:MOST_CLASSES]
    return (y[:, None] == torch.from_numpy(most)).double()


def _squared_errors(x: Tensor, y: Tensor, num_train: int) -> Tensor:
    """Give the squared error of each validation row, by the penalty that is best."""
    mean_x, mean_y = x[:num_train].mean(dim=0), y[:num_train].mean(dim=0)
    centred, targets = x[:num_train] - mean_x, y[:num_train] - mean_y
    by_rows = centred.size(1) > num_train
    gram = centred @ centred.T if by_rows else centred.T @ centred
    eigenvalues, vectors = torch.linalg.eigh(gram)
    moment = vectors.T @ (targets if by_rows else centred.T @ targets)
    new = x[num_train:] - mean_x
    basis = (new @ centred.T if by_rows else new) @ vectors
    kept = eigenvalues.clamp(min=0).unsqueeze(1)
    left = y[num_train:] - mean_y
    errors = [
        (left - basis @ (moment / (kept + penalty))).square().sum(dim=1)
        for penalty in RIDGE_PENALTIES
    ]
    return min(errors, key=lambda each: each.mean().item())
