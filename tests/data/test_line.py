import numpy as np
import pytest
import torch

from gradatim.data import line, line_split
from gradatim.data.line import line_rows
from tests.bits import assert_same_bits, random_state


def tutorial():
    """The tutorial's own cells, with NumPy's global generator."""
    np.random.seed(42)
    x = np.random.rand(100, 1)
    y = 1 + 2 * x + 0.1 * np.random.randn(100, 1)
    rows = np.arange(100)
    np.random.shuffle(rows)
    return x, y, rows


def test_the_points_are_the_tutorials():
    x, y, _ = tutorial()
    for dtype in (torch.float64, torch.float32):
        ours = line(dtype=dtype)
        assert_same_bits(ours, tuple(torch.from_numpy(a).to(dtype) for a in (x, y)))
    assert line()[0].shape == (100, 1) and line()[1].dtype == torch.float32


def test_the_split_is_the_tutorials():
    x, _, rows = tutorial()
    (x_train, y_train), (x_val, y_val) = line_split(*line(dtype=torch.float64))
    assert torch.equal(x_train, torch.from_numpy(x[rows[:80]]))
    assert torch.equal(x_val, torch.from_numpy(x[rows[80:]]))
    torch.testing.assert_close(y_train, 1 + 2 * x_train, atol=0.4, rtol=0)
    assert (len(y_train), len(y_val)) == (80, 20)
    assert torch.cat(line_rows()).tolist() == rows.tolist()


def test_nothing_global_is_read_or_moved(unchecked):
    before = random_state()
    first = line_split(*line())
    assert_same_bits(before, random_state())
    np.random.seed(1)
    assert_same_bits(first, line_split(*line()))


def test_another_number_of_rows_is_refused(unchecked):
    with pytest.raises(ValueError, match=r"99 rows, y 100(.|\n)*gradatim\.data\.split"):
        line_split(line()[0][:99], line()[1])
