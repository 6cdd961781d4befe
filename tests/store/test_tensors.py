"""Our own writer of safetensors and the library's reader, each against the other."""

import json
import math

import pytest
import safetensors
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradatim.errors import ConfigError, DamagedError
from gradatim.store import tensors as run_tensors
from gradatim.store.tensors import (
    CODES,
    MAX_TENSORS,
    bytes_of,
    num_bytes,
    read_tensors,
    tensor_parts,
)
from tests.faults.hostile import SAFETENSORS, joined

SHAPES = st.lists(st.integers(0, 4), max_size=4)


def filled(dtype, shape, seed=0):
    """Every bit drawn, so that NaN of all kinds, infinity and -0.0 are among them."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.empty(0, dtype=dtype).element_size()
    high = 2 if dtype == torch.bool else 256
    raw = torch.randint(
        high, (math.prod(shape) * size,), dtype=torch.uint8, generator=generator
    )
    return raw.view(dtype).reshape(shape)


def file_of(tensors):
    return b"".join(bytes(part) for part in tensor_parts(tensors))


def check_same(ours, theirs):
    assert list(ours) == list(theirs)
    for name, tensor in ours.items():
        other = theirs[name]
        assert (tensor.dtype, tensor.shape) == (other.dtype, other.shape), name
        assert bytes(bytes_of(tensor)) == bytes(bytes_of(other)), name


TENSORS = st.dictionaries(
    st.text(st.characters(codec="utf-8"), max_size=5).filter(
        lambda name: name != "__metadata__"
    ),
    st.builds(filled, st.sampled_from(list(CODES)), SHAPES, st.integers(0, 99)),
    max_size=4,
)


def sorted_by_name(tensors):
    return dict(sorted(tensors.items()))


def test_the_order_is_that_of_the_file():
    tensors = {str(number): torch.ones(1) for number in range(50)}
    assert list(read_tensors(file_of(tensors), "it")) == sorted(tensors)


@given(TENSORS)
def test_every_dtype_and_shape_comes_back_to_the_bit(tensors):
    again = read_tensors(file_of(tensors), "it")
    check_same(sorted_by_name(again), sorted_by_name(tensors))


@given(TENSORS)
def test_the_library_reads_what_we_write(tensors):
    theirs = safetensors.torch.load(file_of(tensors))
    check_same(sorted_by_name(theirs), sorted_by_name(tensors))


@given(TENSORS)
def test_we_read_what_the_library_writes(tensors):
    again = read_tensors(safetensors.torch.save(tensors), "it")
    check_same(sorted_by_name(again), sorted_by_name(tensors))


def test_the_library_opens_our_files(tmp_path):
    tensors = {f"a.{code}": filled(dtype, [2, 3]) for dtype, code in CODES.items()}
    path = tmp_path / "model.safetensors"
    path.write_bytes(file_of(tensors))
    with safetensors.safe_open(path, framework="pt") as file:
        found = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        assert file.metadata() is None
    check_same(sorted_by_name(found), sorted_by_name(tensors))


def test_we_read_the_files_of_the_library(tmp_path):
    tensors = {f"a.{code}": filled(dtype, [2, 3]) for dtype, code in CODES.items()}
    path = tmp_path / "model.safetensors"
    safetensors.torch.save_file(tensors, path)
    check_same(
        sorted_by_name(read_tensors(path.read_bytes(), "it")), sorted_by_name(tensors)
    )


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float8_e8m0fnu])
def test_a_dtype_that_is_not_written_is_named(dtype):
    with pytest.raises(ConfigError, match=rf"a\.b has dtype {dtype}.*\n.*\n.*float64"):
        file_of({"a.b": torch.empty(2, dtype=dtype)})


def test_every_dtype_of_the_library_is_written():
    """Complex ones are taken apart before: their real view is what is saved."""
    known = set(safetensors.torch._TYPES.values())
    assert known - set(CODES) == {torch.complex64}


VIEWS = {
    "transposed": lambda x: x.transpose(0, 3),
    "every other": lambda x: x[:, ::2],
    "the middle": lambda x: x[1:2, :, 1:],
    "expanded": lambda x: x[:1].expand(5, -1, -1, -1),
    "flipped": lambda x: x.flip(1),
    "channels last": lambda x: x.to(memory_format=torch.channels_last),
    "one number": lambda x: x[0, 0, 0, 0],
    "one of every other": lambda x: x[0, 0, 0, ::2],
    "none": lambda x: x[:, :0],
    "a diagonal": lambda x: x.diagonal(dim1=0, dim2=3),
    "with a gradient": lambda x: x.clone().requires_grad_(),
}


@pytest.mark.parametrize("view", VIEWS)
def test_views_are_written_in_row_major_order(view):
    tensor = VIEWS[view](torch.randn(2, 3, 4, 2))
    again = read_tensors(file_of({"x": tensor}), "it")["x"]
    assert torch.equal(again, tensor)
    assert again.is_contiguous()


def test_tensors_that_share_memory_are_written_for_each_name():
    weight = torch.randn(3)
    again = read_tensors(file_of({"a": weight, "b": weight, "c": weight[1:]}), "it")
    assert torch.equal(again["a"], weight) and torch.equal(again["b"], weight)
    assert torch.equal(again["c"], weight[1:])
    again["a"].zero_()
    assert torch.equal(again["b"], weight)


def test_row_major_tensors_are_not_copied():
    tensor = torch.zeros(4, dtype=torch.int16)
    view = bytes_of(tensor)
    tensor[0] = 1
    assert view[0] == 1


def test_what_is_read_may_be_changed():
    again = read_tensors(file_of({"a": torch.zeros(2), "b": torch.zeros(0)}), "it")
    assert again["a"].add_(1).tolist() == [1, 1]


@given(TENSORS)
def test_every_value_lies_at_a_multiple_of_its_size(tensors):
    content = file_of(tensors)
    size = int.from_bytes(content[:8], "little")
    assert size % 8 == 0
    for name, entry in json.loads(content[8 : 8 + size]).items():
        begin, end = entry["data_offsets"]
        assert begin % tensors[name].element_size() == 0
        assert end - begin == num_bytes({name: tensors[name]})


def test_too_many_tensors_are_told_before_they_are_written(monkeypatch):
    monkeypatch.setattr(run_tensors, "MAX_TENSORS", 3)
    tensors = dict.fromkeys("abc", torch.zeros(0))
    more = tensors | {"d": torch.zeros(0)}
    assert len(read_tensors(file_of(tensors), "it")) == 3
    with pytest.raises(ConfigError, match=r"has 4 tensors\.\n.*\n.*torch\.stack"):
        file_of(more)
    with pytest.raises(DamagedError, match="no object of at most 3 tensors"):
        read_tensors(safetensors.torch.save(more), "it")


@pytest.mark.slow
def test_as_many_tensors_as_may_be_come_back():
    tensors = {str(number): torch.zeros(0) for number in range(MAX_TENSORS)}
    assert len(read_tensors(file_of(tensors), "it")) == MAX_TENSORS


HARMLESS = {"a tensor renamed", "a tensor more"}
"""What only those find that know which tensors there should be."""

GOOD = file_of({"a": torch.ones(2), "b": torch.ones(2, 2)})


@pytest.mark.parametrize("change", SAFETENSORS)
def test_what_is_no_file_of_ours_is_refused(change):
    content = SAFETENSORS[change](GOOD)
    if change in HARMLESS:
        assert len(read_tensors(content, "x.safetensors")) > 1
        return
    with pytest.raises(DamagedError) as caught:
        read_tensors(content, "x.safetensors")
    first, *rest = str(caught.value).splitlines()
    assert "x.safetensors" in first and first.isprintable() and len(first) < 400
    assert len(rest) == 2


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content):
    with pytest.raises(DamagedError):
        read_tensors(content, "it")


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 7))
def test_any_flipped_bit_is_refused_or_gives_tensors(place, bit):
    """Digests find them all; here that none gets the reader into trouble."""
    content = bytearray(GOOD)
    content[place] ^= 1 << bit
    try:
        found = read_tensors(bytes(content), "it")
    except DamagedError:
        return
    assert sum(tensor.numel() for tensor in found.values()) in (6, 12, 24, 3)


def test_a_truth_value_is_0_or_1():
    header = {"a": {"dtype": "BOOL", "shape": [3], "data_offsets": [0, 3]}}
    assert read_tensors(joined(header, b"\0\1\0"), "it")["a"].tolist() == [0, 1, 0]
    with pytest.raises(DamagedError, match="neither 0 nor 1"):
        read_tensors(joined(header, b"\0\7\0"), "it")
