"""How many rows a batch has: what all of its parts agree on."""

from collections import namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import default_collate

import gradatim as gt
from gradatim.errors import ConfigError, DataError
from gradatim.nested import concat_rows
from gradatim.rows import num_rows, rows_or_none, split_rows
from gradatim.run.checkpoint import Checkpoints
from tests.bits import assert_same_bits

Point = namedtuple("Point", "x y")


def zeros(*shape):
    return torch.zeros(shape)


def sequences(*lengths):
    return [zeros(length, 3) for length in lengths]


def boxes(*counts):
    return [{"boxes": zeros(n, 4), "labels": zeros(n)} for n in counts]


IMAGES = [zeros(3, 6, 6)] * 8

COUNTED = {
    "pair": ((zeros(16, 1), zeros(16)), 16),
    "tensor": (zeros(5, 2), 5),
    "pair with an array": ((zeros(16, 1), np.zeros(16)), 16),
    "dict": ({"x": {"ids": zeros(8, 2)}, "y": zeros(8), "name": "line"}, 8),
    "what says nothing": ((zeros(8), torch.tensor(1.0), None, 0.5, "a", []), 8),
    "sequences": ((sequences(2, 9, 4), zeros(3)), 3),
    "sequences of one length": ((sequences(*[5] * 8), zeros(8)), 8),
    "sequences alone": ((sequences(2, 9, 4),), 3),
    "sequences and their labels": (([zeros(2), zeros(5)], [zeros(2), zeros(5)]), 2),
    "a list of one sequence": ((sequences(1000), zeros(1)), 1),
    "two rows": ((sequences(5, 5), zeros(2)), 2),
    "several inputs": (([zeros(8, 3), zeros(8, 3)], zeros(8)), 8),
    "several inputs of two rows": (([zeros(2, 3), zeros(2, 3)], zeros(2)), 2),
    "inputs that cannot be rows of one list": (([zeros(8, 3), zeros(8)],), 8),
    "an input and a dict of more": (((zeros(8), {"mask": zeros(8)}), zeros(8)), 8),
    "packed": ((pack_sequence(sequences(5, 4, 2)), zeros(3)), 3),
    "packed alone": ((pack_sequence(sequences(2, 5), enforce_sorted=False),), 2),
    "detection": ((IMAGES, boxes(*[3] * 8)), 8),
    "detection as tuples": ((tuple(IMAGES), tuple(boxes(*range(8)))), 8),
    "texts": ((["a", "bc", "d"], zeros(3)), 3),
    "texts alone": (["a", "bc", "d"], 3),
    "numbers": ((zeros(3, 2), [1, 2, 3]), 3),
    "named tuple": (Point(zeros(4), zeros(4)), 4),
    "named tuple inside": ((Point(zeros(4), zeros(4)),), 4),
    "three parts": ([zeros(8, 2), zeros(8, 2), zeros(8)], 8),
    "three inputs alike": ((zeros(8, 2), zeros(8, 2), zeros(8, 2)), 8),
    "two alike in a list": ([zeros(8, 1), zeros(8, 1)], 8),
    "three rows of three": ([zeros(3, 2), zeros(3, 2), zeros(3, 2)], 3),
    "uncollated dicts": (boxes(3, 1, 2, 0), 4),
    "dicts of the same rows": (({"x": zeros(8)}, {"y": zeros(8)}), 8),
}


@pytest.mark.parametrize("name", COUNTED)
def test_rows_are_what_all_parts_agree_on(name):
    batch, expected = COUNTED[name]
    assert num_rows(batch) == rows_or_none(batch) == expected


OPEN = {
    "nothing": ({}, r"batch \(a dict\) has none"),
    "a text": ("line", r"batch \(a str\) has none"),
    "a number": ((torch.tensor(1.0),), r"batch \(a Tensor of shape \(\)\) has none"),
    "numbers": ([1, 2], r"batch\[0\] \(a int\) has none"),
    "other sizes": (
        (zeros(8, 3), zeros(7)),
        r"\[0\] \(a Tensor of shape \(8, 3\)\) has 8; batch\[1\] .* has 7\.\n",
    ),
    "a list alone": (([zeros(8, 3), zeros(8, 3)],), r"a list of 2 Tensor\) has 2 or 8"),
    "lists in both": (
        ([zeros(8), zeros(8)], [zeros(8), zeros(8)]),
        r"batch\[0\] .* has 2 or 8; batch\[1\] .* has 2 or 8\.\n",
    ),
    "a dict whose values differ": (
        {"x": zeros(8), "size": {"of": zeros(2)}},
        r"batch\['x'\] .* has 8; batch\['size'\]\['of'\] .* has 2\.\n",
    ),
    "rows that nothing has collated": (
        [(zeros(5), torch.tensor(1.0))] * 8,
        r"batch\[0\] \(a tuple of 2 Tensor\) has 5; .*the list itself has 8",
    ),
    "dicts that nothing has collated": (boxes(*[3] * 8), "the list itself has 8"),
    "sequences of one length in a list": (
        sequences(5, 5, 5, 5),
        r"batch\[3\] .* has 5; the list itself has 4\.\n.*\n.* given as a tuple",
    ),
    "sequences in a list": (sequences(2, 9, 4), "the list itself has 3"),
    "a row that is a dict": (
        {"text": "line", "label": 1},
        r"\['label'\] \(a int\) has none.*\n.*\n.*A list of rows needs collate_fn=",
    ),
    "sequences and another number": ((sequences(2, 9), zeros(3)), "has 2; .* has 3"),
}


@pytest.mark.parametrize("name", OPEN)
def test_what_is_open_is_asked(name):
    batch, message = OPEN[name]
    with pytest.raises(DataError, match=message) as error:
        num_rows(batch)
    assert rows_or_none(batch) is None
    assert "loss_weight=lambda batch: len(batch" in str(error.value)


@given(rows=st.integers(1, 6), num_inputs=st.integers(1, 6), size=st.integers(1, 6))
def test_what_default_collate_makes_of_lists_is_counted(rows, num_inputs, size):
    """Inputs that are a list come as a list of batches, targets decide."""
    samples = [([zeros(size)] * num_inputs, 1.0) for _ in range(rows)]
    assert num_rows(default_collate(samples)) == rows


@given(lengths=st.lists(st.integers(1, 4), min_size=1, max_size=5))
def test_sequences_are_counted_whatever_their_lengths(lengths):
    rows = len(lengths)
    for x in (
        sequences(*lengths),
        pack_sequence(sequences(*lengths), enforce_sorted=False),
        [{"x": zeros(n)} for n in lengths],
    ):
        assert num_rows((x, zeros(rows))) == rows
        assert num_rows({"x": x, "y": zeros(rows)}) == rows


# --- Cut into microbatches ------------------------------------------------------------


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
    with pytest.raises(DataError, match=r"has 4; batch\[1\] .* has 3"):
        split_rows((torch.zeros(4), torch.zeros(3)), 2)
    with pytest.raises(DataError, match=r"Tensor \(\)"):
        split_rows((torch.zeros(4), torch.tensor(1.0)), 2)


def test_lists_with_an_entry_a_row_are_cut_between_rows():
    x = [torch.full((n, 3), float(n)) for n in (2, 5, 1, 4, 7)]
    targets = boxes(*range(5))
    parts = split_rows((x, targets, {"n": torch.arange(5)}), 2)
    assert [part[2]["n"].tolist() for part in parts] == [[0, 1, 2], [3, 4]]
    assert_same_bits([row for part in parts for row in part[0]], x)
    assert_same_bits([row for part in parts for row in part[1]], targets)
    assert [len(part) for part in split_rows(targets, 2)] == [3, 2]


def test_several_inputs_are_cut_each():
    parts = split_rows(([zeros(5, 3), zeros(5, 3)], zeros(5)), 2)
    assert [[len(x) for x in part[0]] for part in parts] == [[3, 3], [2, 2]]


def test_what_cannot_be_cut_by_rows_is_refused():
    packed = pack_sequence(sequences(5, 4))
    with pytest.raises(DataError, match=r"holds a PackedSequence\.\n.*\n.*as a list"):
        split_rows((packed, zeros(2)), 2)
    assert split_rows((packed, zeros(2)), 1)[0][0] is packed
    with pytest.raises(DataError, match=r"2 rows holds a list of 2 tensors of 2 rows"):
        split_rows(([zeros(2, 3), zeros(2, 3)], zeros(2)), 2)
    with pytest.raises(DataError, match=r"cut into microbatches by rows: .* 2 or 8"):
        split_rows(([zeros(8, 3), zeros(8, 3)],), 2)


# --- In a training --------------------------------------------------------------------


class OfSequences(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(3, 1)

    def forward(self, x):
        return self.linear(torch.stack([row.mean(0) for row in x])).squeeze(1)


def ragged_batches():
    """Nine rows in two batches, of which the second has one long sequence."""
    x = [torch.full((n, 3), float(n)) for n in [2] * 8 + [1000]]
    y = torch.arange(9.0)
    return [(x[:8], y[:8]), (x[8:], y[8:])]


def trainer(**options):
    model = OfSequences()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    return gt.Trainer(model, nn.MSELoss(), optimizer, **options)


def mean_over_rows(model):
    with torch.no_grad():
        errors = [(model(x) - y).square() for x, y in ragged_batches()]
    return float(torch.cat(errors).mean())


def test_the_loss_of_sequences_is_the_mean_over_rows():
    ours = trainer()
    expected = pytest.approx(mean_over_rows(ours.model))
    assert ours.evaluate(ragged_batches())["loss"] == expected
    history = ours.fit(ragged_batches(), epochs=1, progress=False)
    assert history["train_loss"] == [expected] and ours.num_samples == 9


def test_microbatches_of_sequences_leave_the_gradient_alone():
    gradients = []
    for num_microbatches in (1, 3):
        ours = trainer(num_microbatches=num_microbatches)
        ours.train_step(*ragged_batches()[0])
        gradients.append(ours.model.linear.weight.grad.clone())
    torch.testing.assert_close(*gradients)


def test_batches_that_cannot_be_counted_have_as_many_samples_as_they_weigh():
    batches = [([zeros(8, 3), zeros(8, 3)],), ([zeros(2, 3), zeros(2, 3)],)]

    with pytest.raises(DataError, match="a list of 2 Tensor"):
        trainer(forward=lambda m, b: (m(b), zeros(2))).fit(
            batches, epochs=1, progress=False
        )
    ours = trainer(
        forward=lambda m, b: (m(b), zeros(2)), loss_weight=lambda batch: len(batch[0])
    )
    ours.fit(batches, batches, epochs=1, progress=False)
    assert ours.num_samples == 10


def test_targets_that_weigh_the_loss_are_samples_too():
    """Where rows cannot be counted, and only forward knows the targets."""
    model = nn.Linear(3, 2)
    ours = gt.Trainer(
        model,
        nn.CrossEntropyLoss(),
        torch.optim.SGD(model.parameters(), lr=0.1),
        forward=lambda m, b: (m(torch.cat(b)), torch.tensor([0, 1, -100, 1, 0, 0])),
    )
    batches = [([zeros(3, 3), zeros(3, 3)],)]
    ours.fit(batches, epochs=1, progress=False)
    assert ours.num_samples == 5


# --- A list that may have rows --------------------------------------------------------


def linear(**options):
    """Make a trainer whose ``forward`` is given a list of tensors, or a tuple."""
    given = []

    def forward(model, batch):
        given.append(batch)
        rows = [row.sum() for row in batch]
        return model.weight[0] * torch.stack(rows), torch.zeros(len(rows))

    model = nn.Linear(1, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    return gt.Trainer(model, nn.MSELoss(), optimizer, forward=forward, **options), given


def test_a_list_of_sequences_is_one_argument_and_is_asked_for_its_weight():
    batches = [sequences(5, 5, 5, 5), sequences(5, 5, 5)]
    ours, given = linear()
    for call in (ours.evaluate, lambda data: ours.fit(data, epochs=1, progress=False)):
        with pytest.raises(DataError, match="the list itself has 4"):
            call(batches)
    ours, given = linear(loss_weight=len)
    ours.fit(batches, batches, epochs=1, progress=False)
    assert ours.num_samples == 7
    assert all(type(batch) is list for batch in given)


def test_microbatches_do_not_cut_sequences_for_which_rows_are_open():
    ours, _ = linear(loss_weight=len, num_microbatches=2)
    with pytest.raises(DataError, match=r"a list of 4 Tensor\) has 4 or 5"):
        ours.fit([sequences(5, 5, 5, 5)], epochs=1, progress=False)


class Triples(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, row):
        return zeros(2), zeros(2), zeros(2)


@pytest.mark.parametrize(
    "data",
    [
        (zeros(8, 2), zeros(8, 2), zeros(8, 2)),
        [zeros(8, 2), zeros(8, 2), zeros(8, 2)],
        Triples(),
        torch.utils.data.DataLoader(Triples(), 4),
    ],
    ids=["tuple", "list", "data set", "loader"],
)
def test_inputs_alike_are_parts_where_it_is_known_that_they_are(data, tmp_path):
    """As the three pictures of a triplet loss."""
    ours, given = linear()
    options = {} if hasattr(data, "batch_size") else {"batch_size": 4}
    run = gt.Run(tmp_path / "trainer")
    ours.fit(data, data, epochs=1, progress=False, callbacks=[run], **options)
    assert ours.num_samples == 8
    assert all(type(batch) is tuple and len(batch) == 3 for batch in given)
    loop = gt.Run(tmp_path / "loop")
    for batch in loop.batches(data, epochs=1, **options):
        assert len(batch) == 3
    assert Checkpoints(tmp_path / "loop").newest_header().samples == 8


@pytest.mark.parametrize("num_rows", [3, 4])
def test_a_collate_fn_of_ones_own_may_make_rows_or_parts(num_rows):
    ours, _ = linear()
    options = {"batch_size": num_rows, "epochs": 1, "progress": False}
    with pytest.raises(DataError, match="the list itself has 3"):
        ours.fit(Triples(), collate_fn=lambda rows: [zeros(5, 2)] * 3, **options)
    ours.fit(Triples(), collate_fn=lambda rows: (zeros(len(rows), 2),) * 3, **options)
    assert ours.num_samples == 8


def test_one_packed_sequence_is_a_batch():
    packed = pack_sequence(sequences(5, 2))
    ours, _ = linear(loss_weight=lambda batch: int(batch.batch_sizes[0]))
    ours.train_step.forward = lambda model, batch: (
        model.weight * batch[0].data.sum(),
        zeros(1, 1),
    )
    ours.fit([packed], epochs=1, progress=False)
    assert ours.num_samples == 2


@pytest.mark.parametrize("shape", [(3, 2), (2,), ()])
def test_a_list_of_rows_with_options_of_batches_is_told_of_collate_fn(shape):
    rows = [{"x": zeros(*shape), "label": number} for number in range(4)]
    ours, _ = linear()
    told = r"batch_size given, but a list of 4 dict is taken .*\n.*\n.*collate_fn="
    with pytest.raises(ConfigError, match=told):
        ours.fit(rows, epochs=1, batch_size=2, progress=False)
