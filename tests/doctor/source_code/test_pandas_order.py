"""A target that is taken from a table before its rows change places."""

import ast

import pytest

from gradatim.doctor.source_code.pandas_order import misaligned_targets


def orders(source):
    return [
        (order.target, order.taken_in_line, order.reordered_in_line, order.method)
        for order in misaligned_targets(ast.parse(source))
    ]


@pytest.mark.parametrize(
    ("taken", "moved", "method"),
    [
        ("y = df['a']", "df = df.sort_values('b')", "sort_values"),
        ("y = df.pop('a').to_numpy()", "df = df.sample(frac=1)", "sample"),
        ("y = df['a'].values", "df.sort_index(inplace=True)", "sort_index"),
    ],
)
def test_misaligned(taken, moved, method):
    assert orders(f"{taken}\n{moved}\ntrain(df, y)") == [("y", 1, 2, method)]


@pytest.mark.parametrize(
    "source",
    [
        "df = df.sort_values('b')\ny = df['a']\ntrain(df, y)",
        "y = df['a']\nother = df.sort_values('b')\ntrain(df, y)",
        "y = df['a']\ndf = df.sort_values('b')\ntrain(df, y.loc[df.index])",
        "y = df['a']\ndf = df.sort_values('b')\ntrain(df)",
        "y = df['a']\ndf = read()\ndf = df.sort_values('b')\ntrain(df, y)",
        "y = df[0]\ndf = df.sort_values('b')\ntrain(df, y)",
    ],
)
def test_aligned(source):
    assert orders(source) == []


def test_in_a_function():
    source = "def f(df):\n    y = df['a']\n    df = df.sample(frac=1)\n    fit(df, y)"
    assert orders(source) == [("y", 2, 3, "sample")]
