"""Numbers of tensors of every kind, and that looking changes nothing."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradatim.trace.stats import norm_of, stats_of
from tests.bits import assert_same_bits, random_state


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_those_of_numpy(values):
    tensor = torch.tensor(values)
    wide = tensor.double().numpy()
    seen = stats_of(tensor)
    assert seen.mean == pytest.approx(wide.mean(), rel=1e-9, abs=1e-30)
    scale = abs(wide).max()
    assert seen.std == pytest.approx(wide.std(), rel=1e-6, abs=1e-9 * scale)
    assert (seen.min, seen.max) == (wide.min(), wide.max())
    assert seen.zeros == (wide == 0).mean()


@pytest.mark.parametrize(
    "dtype",
    [
        torch.float16,
        torch.bfloat16,
        torch.float64,
        torch.int8,
        torch.int64,
        torch.uint8,
        torch.complex64,
        torch.complex128,
    ],
)
def test_of_every_dtype(dtype):
    seen = stats_of(torch.tensor([0, 3, 3, 6]).to(dtype))
    assert (seen.min, seen.max, seen.mean, seen.zeros) == (0, 6, 3, 0.25)
    assert seen.std == pytest.approx(math.sqrt(4.5))
    assert seen.dtype == str(dtype).removeprefix("torch.") and seen.reason is None


def test_truths_are_zeros_and_ones():
    seen = stats_of(torch.tensor([True, False, False, False]))
    assert (seen.min, seen.max, seen.mean, seen.zeros) == (0, 1, 0.25, 0.75)


def test_complex_numbers_are_told_by_their_size():
    seen = stats_of(torch.tensor([3 + 4j, 0]))
    assert (seen.min, seen.max, seen.mean) == (0, 5, 2.5)
    assert norm_of(torch.tensor([3 + 4j, 12])) == 13


def test_what_is_not_finite_is_counted_and_left_out():
    seen = stats_of(torch.tensor([torch.nan, torch.inf, -torch.inf, 0.0, 2.0]))
    assert (seen.num_nan, seen.num_inf) == (1, 2)
    assert (seen.min, seen.max, seen.mean, seen.std) == (0, 2, 1, 1)
    assert seen.zeros == 0.2
    nothing = stats_of(torch.full((3,), torch.nan))
    assert nothing.num_nan == 3 and nothing.mean is None and nothing.zeros == 0


def test_nothing_and_one_number():
    empty = stats_of(torch.ones(0, 3))
    assert empty.shape == (0, 3) and empty.mean is None and empty.zeros is None
    one = stats_of(torch.tensor(2.0))
    assert (one.shape, one.mean, one.std) == ((), 2, 0)


def test_large_numbers_do_not_overflow():
    seen = stats_of(torch.tensor([3e38, -3e38, 3e38]))
    assert math.isfinite(seen.std) and math.isfinite(seen.mean)
    assert math.isfinite(norm_of(torch.full((9,), 3e38)))
    assert norm_of(torch.full((4,), 6e4, dtype=torch.float16)) == 120_000


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
def test_zeros_that_a_sparse_tensor_does_not_store_count():
    dense = torch.zeros(4, 3)
    dense[1] = torch.tensor([1.0, 0.0, 5.0])
    wanted = stats_of(dense)
    for sparse in (dense.to_sparse(), dense.to_sparse(1), dense.to_sparse_csr()):
        seen = stats_of(sparse)
        for name in ("mean", "std", "min", "max", "zeros", "shape"):
            assert getattr(seen, name) == pytest.approx(getattr(wanted, name)), name
        assert norm_of(sparse) == pytest.approx(norm_of(dense))


def test_a_sparse_tensor_with_a_row_twice_is_added_up():
    twice = torch.sparse_coo_tensor([[1, 1]], [2.0, 3.0], (4,), check_invariants=True)
    assert stats_of(twice).max == 5 and norm_of(twice) == 5


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_what_has_no_numbers_says_why():
    nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    assert "nested" in stats_of(nested).reason
    meta = stats_of(torch.ones(2, 3, device="meta"))
    assert norm_of(torch.ones(2, 3, device="meta")) is None
    assert "meta" in meta.reason and meta.shape == (2, 3) and meta.mean is None


def test_looking_changes_nothing(unchecked):
    tensor = torch.rand(5, requires_grad=True) * 2
    before = random_state(), tensor._version, tensor.grad_fn
    value = tensor.detach().clone()
    stats_of(tensor), norm_of(tensor)
    assert_same_bits(before[0], random_state())
    assert (tensor._version, tensor.grad_fn) == before[1:]
    assert torch.equal(value, tensor)
