"""Tensors in the format of safetensors, written without a copy.

Writing is done here, part by part: the library's ``serialize`` would need one more copy
of all tensors, and its ``serialize_file`` writes with mode 0600, without fsync and
without a digest. Reading is done by the library, once the header is checked here.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from gradatim.errors import ConfigError, DamagedError
from gradatim.store.json import parse_json
from gradatim.text import one_line, shown

__all__ = ["num_bytes", "read_tensors", "tensor_parts"]

CODES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e4m3fnuz: "F8_E4M3FNUZ",
    torch.float8_e5m2: "F8_E5M2",
    torch.float8_e5m2fnuz: "F8_E5M2FNUZ",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
DTYPES = {code: dtype for dtype, code in CODES.items()}

MAX_TENSORS = 50_000
"""How many tensors a file may have. Each takes 1.7 kB beside its values once it is
read, so that all of them take 85 MB."""

MAX_DIMENSIONS = 64
"""How many dimensions a tensor of a file may have: as many as NumPy 2 allows, through
which tensors are written."""

MAX_VALUES = 1 << 60
"""The product of a shape, zeros counted as ones: so that it fits into 64 bits with
every size of a value."""

FIELDS = {"dtype", "shape", "data_offsets"}
"""What an entry of the header has."""


def num_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Count the bytes of the values.

    >>> num_bytes({"w": torch.zeros(2, 3)})
    24
    """
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def tensor_parts(tensors: Mapping[str, Tensor]) -> Iterator[bytes | memoryview]:
    """Give the file's bytes: its header, then one part a tensor.

    Tensors that share memory, as tied weights do, are written once for each name.

    Raises:
        ConfigError: A dtype that the format does not have, or too many tensors.
    """
    if len(tensors) > MAX_TENSORS:
        raise ConfigError(
            f"the state has {len(tensors):,} tensors.\n"
            f"A file of more than {MAX_TENSORS:,} would not be read again.\n"
            "Put small tensors together, for example with torch.stack."
        )
    # The wide dtypes come first: every value then lies at a multiple of its size.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {}
    end = 0
    for name in names:
        tensor = tensors[name]
        if tensor.dtype not in CODES:
            raise ConfigError(
                f"{name} has dtype {tensor.dtype}, which safetensors does not know.\n"
                "It could not be written.\n"
                f"Save it as another one, such as {next(iter(CODES))}."
            )
        begin, end = end, end + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": CODES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for name in names:
        if tensors[name].numel():
            yield bytes_of(tensors[name])


def bytes_of(tensor: Tensor) -> memoryview:
    """Give a tensor's values as bytes in row-major order, without a copy if they are.

    >>> bytes_of(torch.tensor([1, 2], dtype=torch.int16)).tolist()
    [1, 0, 2, 0]
    """
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    if flat.stride() != (1,):  # a tensor of one number may have any stride
        flat = flat.clone(memory_format=torch.contiguous_format)
    values: Any = flat.view(torch.uint8).numpy()
    return memoryview(values)


def read_tensors(content: bytes, name: str) -> dict[str, Tensor]:
    """Read what :func:`tensor_parts` wrote to the file called ``name``.

    Raises:
        DamagedError: It is no such file. No memory is asked for what a file claims.
    """
    from safetensors import SafetensorError, deserialize

    try:
        names = _header_names(content, f"the header of {name}")
        entries = dict(deserialize(content))  # type: ignore[no-untyped-call]
        return {key: _tensor(**entries[key]) for key in names}
    except (SafetensorError, LookupError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, DamagedError):
            raise
        raise DamagedError(
            f"{name} is no safetensors file: {one_line(error)}.\n"
            "It was damaged, or is another kind of file.\n"
            "Put back a copy of the whole folder."
        ) from error


def _header_names(content: bytes, place: str) -> list[str]:
    """Check the header of a file; give the names of its tensors in their order.

    The library lets a name stand twice, and passes over fields that it does not know.
    """
    size = int.from_bytes(content[:8], "little")
    if len(content) < 8 or size > len(content) - 8:
        raise ValueError(f"its header has {size:,} bytes, it has {len(content):,}")
    header = parse_json(content[8 : 8 + size], place)
    if not isinstance(header, dict) or len(header) > MAX_TENSORS:
        raise ValueError(f"its header is no object of at most {MAX_TENSORS:,} tensors")
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != FIELDS:
            raise ValueError(f"{shown(name)} is {shown(entry)}")
        if not isinstance(entry["dtype"], str) or entry["dtype"] not in DTYPES:
            raise ValueError(f"{shown(name)} has the dtype {shown(entry['dtype'])}")
        shape = entry["shape"]
        if (
            not isinstance(shape, list)
            or len(shape) > MAX_DIMENSIONS
            or any(type(length) is not int or length < 0 for length in shape)
            or math.prod(max(length, 1) for length in shape) > MAX_VALUES
        ):
            raise ValueError(f"{shown(name)} has the shape {shown(shape)}")
    return list(header)


def _tensor(dtype: str, shape: list[int], data: bytearray) -> Tensor:
    kind = DTYPES[dtype]
    if kind is torch.bool and data.strip(b"\0\1"):
        raise ValueError("a truth value is neither 0 nor 1")
    if not data:
        return torch.empty(shape, dtype=kind)
    return torch.frombuffer(data, dtype=kind).reshape(shape)
