from collections import namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import DataError
from gradatim.nested import (
    as_tensors,
    concat_rows,
    map_tensors,
    num_rows,
    split_rows,
    tensors_of,
)
from tests.bits import assert_same_bits

Point = namedtuple("Point", "x y")


def nested(rows):
    x = torch.arange(rows * 2.0).view(rows, 2)
    return {"x": (x, [x + 1]), "point": Point(x, -x), "texts": ["a"] * rows, "n": None}


@given(rows=st.integers(1, 20), num_parts=st.integers(1, 25))
def test_parts_joined_again_are_the_whole(rows, num_parts):
    batch = nested(rows)
    parts = split_rows(batch, num_parts)
    sizes = [num_rows(part) for part in parts]
    assert sum(sizes) == rows and len(parts) == min(rows, num_parts)
    assert max(sizes) - min(sizes) <= 1 and min(sizes) > 0
    assert [len(part["texts"]) for part in parts] == sizes
    for key in ("x", "point"):
        assert_same_bits(concat_rows([part[key] for part in parts]), batch[key])


def test_sizes_are_those_of_tensor_split():
    x = torch.arange(17)
    assert_same_bits(split_rows(x, 5), list(x.tensor_split(5)))


def test_a_part_pairs_the_same_rows():
    with pytest.raises(DataError, match=r"4 rows and of shape \(3,\)"):
        split_rows((torch.zeros(4), torch.zeros(3)), 2)
    with pytest.raises(DataError, match=r"of shape \(\)"):
        split_rows((torch.zeros(4), torch.tensor(1.0)), 2)


def test_mapping_keeps_the_structure_and_named_tuples():
    doubled = map_tensors(lambda t: t * 2, nested(3))
    assert doubled["point"].y.tolist() == (-nested(3)["point"].x * 2).tolist()
    assert doubled["texts"] == ["a"] * 3 and doubled["n"] is None
    assert len(list(tensors_of(doubled))) == 4


def test_arrays_become_tensors_and_only_float64_changes():
    batch = as_tensors(
        {"d": np.ones(2), "p": Point(np.ones(2, "f4"), np.ones(2, "i8")), "s": "line"}
    )
    assert [t.dtype for t in tensors_of(batch)] == [
        torch.float32,
        torch.float32,
        torch.int64,
    ]
    assert batch["s"] == "line"


def test_a_batch_without_rows_is_named():
    for batch in ({}, "line", (torch.tensor(1.0),), [1, 2]):
        with pytest.raises(DataError, match=type(batch).__name__):
            num_rows(batch)


def test_joining_stacks_numbers():
    assert concat_rows([torch.tensor(1.0), torch.tensor(2.0)]).tolist() == [1, 2]
    assert concat_rows([(torch.ones(1), None), (torch.ones(2), None)])[1] == [None] * 2
