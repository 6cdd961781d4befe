import random

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

from gradatim.data import Batches
from gradatim.data.digest import NUM_ROWS, dataset_digest, tensor_digest
from tests.bits import assert_same_bits, random_state

X = torch.arange(50.0).view(25, 2)
Y = torch.arange(25)


class Rows(Dataset):
    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, row):
        return self.rows[row]


# --- Tensors --------------------------------------------------------------------------


def test_digest_is_golden():
    # A run that was begun by an earlier version still finds its data unchanged.
    assert tensor_digest((X, Y)) == {
        "covers": "every byte",
        "sha256": "287edba43ffefa2bb177513ee842a02666ae78473212e5d4eeff0bfedee4c346",
    }


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.bfloat16, torch.int8, torch.bool, torch.complex64]
)
def test_every_element_counts(dtype):
    tensor = torch.zeros(7, 3, dtype=dtype)
    found = {tensor_digest(tensor)["sha256"]}
    for index in range(21):
        changed = tensor.clone()
        changed.view(-1)[index] = 1
        found.add(tensor_digest(changed)["sha256"])
    assert len(found) == 22


def test_structure_shape_and_dtype_count():
    zeros = torch.zeros(4)
    found = [
        zeros,
        (zeros,),
        ((zeros,),),
        (zeros, zeros),
        (torch.zeros(8),),
        (torch.zeros(2, 2),),
        (zeros.int(),),
        (zeros.double(),),
        {"x": zeros},
        {"y": zeros},
        {"x": zeros, "name": "line"},
        {"x": zeros, "name": None},
        {"x": zeros, "name": 1},
        {"x": zeros, "name": True},
        {"x": zeros, "name": 1.0},
        -zeros,  # minus zero divides to minus infinity
        torch.empty(0),
        torch.empty(0, 2),
    ]
    assert len({tensor_digest(each)["sha256"] for each in found}) == len(found)


def test_how_the_memory_lies_does_not_count():
    whole = torch.arange(24.0).view(4, 6)
    assert tensor_digest(whole) == tensor_digest(whole.t().contiguous().t())
    assert tensor_digest(whole[:, ::2]) == tensor_digest(whole[:, ::2].clone())
    assert tensor_digest(torch.ones(1).expand(3)) == tensor_digest(torch.ones(3))
    assert tensor_digest((X, Y)) == tensor_digest([X, Y])
    assert tensor_digest(whole.numpy()) == tensor_digest(whole)
    grows = torch.nn.Parameter(whole.clone())
    assert tensor_digest(grows) == tensor_digest(whole)


def test_chosen_rows_count():
    digests = [
        tensor_digest(X)["sha256"],
        *(
            tensor_digest(X, torch.tensor(rows))["sha256"]
            for rows in ([0], [1], [0, 1])
        ),
    ]
    assert len(set(digests)) == 4


# --- Data sets ------------------------------------------------------------------------


def test_rows_of_a_data_set_count_and_it_says_how_many():
    rows = [(X[i], int(Y[i])) for i in range(25)]
    about = dataset_digest(Rows(rows))
    assert (about["covers"], about["class"], about["rows"]) == (
        "25 of 25 rows",
        "Rows",
        25,
    )
    for index in range(25):
        changed = list(rows)
        changed[index] = (X[index], 99)
        assert dataset_digest(Rows(changed)) != about
    assert dataset_digest(Rows(rows[:-1]))["rows"] == 24


def test_of_many_rows_some_are_looked_at_from_first_to_near_the_end():
    asked = []

    class Asked(Rows):
        def __getitem__(self, row):
            asked.append(row)
            return row

    about = dataset_digest(Asked(range(1000)))
    assert about["covers"] == f"{NUM_ROWS} of 1000 rows"
    assert len(set(asked)) == NUM_ROWS
    assert asked[0] == 0 and max(asked) >= 980
    assert dataset_digest(Rows([]))["covers"] == "0 of 0 rows"


def test_rows_that_draw_are_looked_at_from_a_fixed_seed(unchecked):
    class Noisy(Rows):
        def __getitem__(self, row):
            return torch.rand(2), np.random.rand(), random.random(), self.rows[row]

    before = random_state()
    about = dataset_digest(Noisy(range(9)))
    assert_same_bits(random_state(), before)
    draw = torch.rand(5), np.random.rand(7), random.random()
    assert draw and dataset_digest(Noisy(range(9))) == about
    assert dataset_digest(Noisy(range(1, 10))) != about
    assert about["covers"] == "9 of 9 rows"


def test_a_seed_that_was_set_holds_though_no_device_is_in_use_yet():
    """What ``manual_seed`` leaves to be done when a device is first used stays so."""
    torch.manual_seed(7)
    queued = list(torch.cuda._lazy_seed_tracker.get_calls())
    dataset_digest(Rows([1, 2]))
    assert torch.cuda._lazy_seed_tracker.get_calls() == queued


def test_rows_that_change_are_described_by_class_and_length():
    class Counts(Rows):
        count = 0

        def __getitem__(self, row):
            self.count += 1
            return self.count

    class Draws(Rows):
        def __init__(self, rows):
            super().__init__(rows)
            self.generator = torch.Generator()

        def __getitem__(self, row):
            raise AssertionError("its generator would be moved")

    for kind in (Counts, Draws):
        about = dataset_digest(kind([1, 2, 3]))
        assert about["covers"] == "class and length" and about["rows"] == 3
        assert "sha256" not in about


def test_streams_are_described_by_their_class():
    class Stream(IterableDataset):
        def __iter__(self):
            raise AssertionError("what is read may not come again")

    about = dataset_digest(Stream())
    assert about["covers"] == "its class alone" and "Stream" in about["class"]


class Picture:
    """As PIL has them."""

    def __init__(self, content):
        self.content = content

    def tobytes(self):
        return self.content


def test_rows_of_any_kind_count():
    kinds = [
        {"x": 1},
        {"x": 2},
        [1, 2],
        "text",
        b"text",
        1.5,
        np.float64(2.5),
        np.int64(3),
        None,
        Picture(b"a"),
        Picture(b"b"),
        np.arange(3),
        3 + 4j,
    ]
    digests = [dataset_digest(Rows([kind]))["sha256"] for kind in kinds]
    assert len(set(digests)) == len(kinds)


# --- Of batches -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        TensorDataset(X, Y),
        Subset(TensorDataset(X, Y), [1, 2, 3]),
        DataLoader(TensorDataset(X, Y)),
        DataLoader(Subset(TensorDataset(X, Y), [1, 2, 3])),
        [(X, Y), (X, Y)],
    ],
)
def test_every_byte_of_tensors_is_covered_wherever_they_are(data):
    assert Batches(data).digest()["covers"] == "every byte"


def test_tensors_behind_a_data_set_or_a_loader_are_those_tensors():
    about = Batches((X, Y)).digest()
    assert Batches(TensorDataset(X, Y)).digest() == about
    assert Batches(DataLoader(TensorDataset(X, Y))).digest() == about
    part = Batches(Subset(TensorDataset(X, Y), [1, 2])).digest()
    assert part != about
    assert part != Batches(Subset(TensorDataset(X, Y), [2, 1])).digest()


def test_where_tensors_lie_does_not_count():
    resident = Batches((X, Y), device="cpu", resident=True)
    assert resident.digest() == Batches((X, Y)).digest()
