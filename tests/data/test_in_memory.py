"""Arrays, data frames and lists of numbers as tensors."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.data import Batches, split
from gradatim.data.in_memory import tensors_from
from gradatim.errors import ConfigError, DataError
from gradatim.nested import tensors_of
from tests.bits import assert_same_bits

X = np.arange(12.0).reshape(6, 2)
Y = np.arange(6)


def test_frames_become_what_to_numpy_gives():
    frame = pd.DataFrame(X, columns=["a", "b"])
    series = pd.Series(Y, name="y")
    assert_same_bits(tensors_from((frame, series)), tensors_from((X, Y)))
    assert_same_bits(tensors_from({"x": frame}), {"x": tensors_from(X)})
    assert tensors_from(frame).dtype == torch.float32


@pytest.mark.parametrize(
    "series, expected",
    [
        (pd.Series([1, 2], dtype="Int64"), [1, 2]),
        (pd.Series([True, False]), [True, False]),
        (pd.Series([True, False], dtype="boolean"), [1, 0]),
    ],
)
def test_series_of_numbers_of_any_kind(series, expected):
    assert tensors_from(series).tolist() == expected


def test_columns_of_several_kinds_of_numbers():
    frame = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False]})
    frame["d"] = pd.Series([3, 4], dtype="Int64")
    assert tensors_from(frame).tolist() == [[1, 0.5, 1, 3], [2, 1.5, 0, 4]]


@pytest.mark.parametrize(
    "frame, named",
    [
        (pd.DataFrame({"a": [1.0], "city": ["Rome"]}), r"DataFrame .*: 'city' \("),
        (pd.DataFrame({"day": pd.to_datetime(["2026-01-01"])}), r"'day' \(datetime64"),
        (pd.DataFrame({"k": pd.Categorical(["a"])}), r"'k' \(category\)"),
        (pd.Series(["a"], name="city"), r"a Series has .*'city' \("),
    ],
)
def test_columns_without_numbers_are_named(frame, named):
    with pytest.raises(DataError, match=rf"{named}(.|\n)*gradatim\.data\.read_table"):
        tensors_from((frame, Y[:1]))


def test_only_some_of_many_columns_are_named():
    frame = pd.DataFrame({f"c{n}": ["a"] for n in range(15)})
    with pytest.raises(DataError, match=r"'c9' \(\w+\), 5 more\.\n"):
        tensors_from(frame)


def test_values_that_are_missing_are_refused():
    with pytest.raises(DataError, match=r"values that are no numbers.*\n.*missing"):
        tensors_from(pd.Series([True, None], dtype="boolean"))


class Polars:
    """Looks like a frame of polars: its types say themselves whether they count."""

    class Type(str):
        def is_numeric(self):
            return self in ("Float64", "Int64")

    def __init__(self, values, **dtypes):
        self.values = np.array(values)
        self.columns, self.dtypes = list(dtypes), list(map(self.Type, dtypes.values()))

    def to_numpy(self):
        return self.values


Polars.__module__ = "polars.dataframe.frame"


def test_frames_of_polars_are_known_by_their_type():
    numbers = Polars([[1.0, 0.0]], a="Float64", b="Boolean")
    assert tensors_from(numbers).tolist() == [[1.0, 0.0]]
    with pytest.raises(DataError, match=r"'city' \(String\)"):
        tensors_from(Polars([["Rome"]], city="String"))


def test_neither_pandas_nor_polars_is_imported():
    code = (
        "import sys, gradatim as gt\n"
        "list(gt.data.Batches(([[1.0]], [0])))\n"
        "assert not {'pandas', 'polars'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "data, expected",
    [
        (([[1.0, 2], [3, 4]], [0, 1]), (X[:0], Y[:0])),
        ([[1.0, 2.0], [3.0, 4.0]], None),
        ([1, 2, 3], None),
        ([True, False], None),
    ],
)
def test_lists_of_numbers_become_tensors(data, expected):
    tensors = tensors_from(data)
    for tensor, part in zip(
        tensors_of(tensors), data if expected else [data], strict=True
    ):
        assert tensor.tolist() == part
    whole = Batches(data, batch_size=10, shuffle=False)
    assert_same_bits(list(whole.epoch(0)), [tensors])


def test_lists_of_arrays_with_an_entry_a_row_are_stacked():
    x, y = tensors_from((list(X), [np.array([n]) for n in Y]))
    assert x.shape == (6, 2) and y.shape == (6, 1) and x.dtype == torch.float32
    x, y = tensors_from(([torch.ones(2)] * 6, torch.zeros(6)))
    assert x.shape == (6, 2)
    # Several inputs, each of which has all rows, stay a list.
    several = ([torch.zeros(6, 2), torch.zeros(6, 3)], torch.zeros(6))
    assert_same_bits(tensors_from(several), several)


def test_rows_of_different_shapes_are_refused():
    with pytest.raises(DataError, match=r"3 rows .* \(1, 2\), \(2, 2\)(.|\n)*Pad"):
        tensors_from(([torch.ones(n, 2) for n in (1, 2, 1)], torch.zeros(3)))
    with pytest.raises(DataError, match=r"2 entries is no block of numbers(.|\n)*Pad"):
        tensors_from(([[1.0, 2.0], [3.0]], [0, 1]))


def test_arrays_of_text_are_refused():
    with pytest.raises(DataError, match=r"shape \(2,\) has the dtype <U4"):
        tensors_from((np.zeros((2, 1)), np.array(["a", "Rome"])))


def test_arrays_that_must_not_be_written_to_are_copied():
    array = np.zeros(3, dtype=np.float32)
    array.setflags(write=False)
    tensors_from(array)[0] = 1.0
    assert array[0] == 0


def test_frames_are_split_like_tensors():
    frame, series = pd.DataFrame(X), pd.Series(Y)
    ours = split(frame, series, fractions=(0.5, 0.5), seed=1)
    theirs = split(X, Y, fractions=(0.5, 0.5), seed=1)
    assert_same_bits(ours, theirs)


# --- fit(x, y) ------------------------------------------------------------------------


def trainer(**options):
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    return gt.Trainer(model, nn.MSELoss(), optimizer, **options)


def test_frames_and_lists_train_like_tensors():
    y = Y.reshape(6, 1).astype("float64")
    forms = [
        (X, y),
        (pd.DataFrame(X), pd.DataFrame(y)),
        (X.tolist(), y.tolist()),
        (list(X), list(y)),
    ]
    losses = [
        trainer().fit(data, data, epochs=2, progress=False).to_dicts() for data in forms
    ]
    for rows in losses:
        for row, expected in zip(rows, losses[0], strict=True):
            assert row["train_loss"] == expected["train_loss"]
            assert row["val_loss"] == expected["val_loss"]
    predictions = [trainer().predict(x) for x in (X, pd.DataFrame(X), X.tolist())]
    assert_same_bits(predictions[1:], predictions[:1] * 2)


@pytest.mark.parametrize(
    "x, y, named",
    [
        (torch.zeros(6, 2), torch.zeros(6, 1), r"Tensor\(6, 2\) .* Tensor\(6, 1\)"),
        (X, Y, r"ndarray\(6, 2\) .* ndarray\(6,\)"),
        (pd.DataFrame(X), pd.Series(Y), r"DataFrame\(6, 2\) .* Series\(6,\)"),
        (X.tolist(), Y.tolist(), r"list\(6,\) .* list\(6,\)"),
    ],
    ids=["tensors", "arrays", "frames", "lists"],
)
def test_x_and_y_apart_are_told_what_to_write(x, y, named):
    with pytest.raises(ConfigError, match=rf"{named}(.|\n)*Write fit\(\(x, y\)"):
        trainer().fit(x, y, epochs=1, progress=False)


def test_inputs_alone_are_data_for_a_forward():
    ours = trainer(forward=lambda model, x: (model(x), x[:, :1]))
    x = torch.zeros(6, 2)
    assert ours.fit(x, x, epochs=1, progress=False).num_epochs == 1
