from collections import namedtuple

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from gradatim.nested import (
    as_tensors,
    concat_rows,
    map_tensors,
    tensors_of,
)
from tests.bits import assert_same_bits

Point = namedtuple("Point", "x y")


def nested(rows):
    x = torch.arange(rows * 2.0).view(rows, 2)
    return {"x": (x, [x + 1]), "point": Point(x, -x), "texts": ["a"] * rows, "n": None}


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


def test_joining_stacks_numbers():
    assert concat_rows([torch.tensor(1.0), torch.tensor(2.0)]).tolist() == [1, 2]
    assert concat_rows([(torch.ones(1), None), (torch.ones(2), None)])[1] == [None] * 2


# --- PackedSequence -------------------------------------------------------------------

SEQUENCES = [torch.ones(2), torch.full((3,), 2.0)]


def packed():
    return pack_sequence(SEQUENCES, enforce_sorted=False)


def test_packed_sequence_is_mapped_as_a_whole():
    doubled = map_tensors(lambda t: t * 2 if t.is_floating_point() else t, (packed(),))
    assert isinstance(doubled[0], PackedSequence)
    assert doubled[0].data.tolist() == [4, 2, 4, 2, 4]
    assert_same_bits(tuple(doubled[0])[1:], tuple(packed())[1:])


def test_packed_sequence_moves_as_torch_moves_it():
    moved = map_tensors(lambda t: t.to("meta"), packed())
    expected = packed().to("meta")
    for ours, theirs in zip(moved, expected, strict=True):
        assert ours.device == theirs.device
    assert moved.batch_sizes.device.type == "cpu"


def test_the_tensor_of_a_packed_sequence_is_its_data():
    batch = packed()
    assert [t is batch.data for t in tensors_of({"x": batch})] == [True]


def test_packed_outputs_are_joined_as_their_sequences():
    assert_same_bits(concat_rows([packed(), packed()]), SEQUENCES * 2)
