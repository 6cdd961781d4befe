"""Tensors in the format of safetensors, written without a copy.

The library writes files of mode 0600, does not fsync and takes no digest meanwhile; so
the few lines of writing are here. Reading, with all its checks, is the library's.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from gradatim.errors import ConfigError, DamagedError

__all__ = ["num_bytes", "read_tensors", "tensor_parts"]

CODES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
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
        ConfigError: A dtype that the format does not have.
    """
    # Wide ones first: every value then lies at a multiple of its size.
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {}
    end = 0
    for name in names:
        tensor = tensors[name]
        if tensor.dtype not in CODES:
            raise ConfigError(
                f"{name} has dtype {tensor.dtype}, which safetensors does not know."
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
    """Give a tensor's values as bytes in row-major order; no copy where they are so.

    >>> bytes_of(torch.tensor([1, 2], dtype=torch.int16)).tolist()
    [1, 0, 2, 0]
    """
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    values: Any = flat.view(torch.uint8).numpy()
    return memoryview(values)


def read_tensors(content: bytes, name: str) -> dict[str, Tensor]:
    """Read what :func:`tensor_parts` wrote.

    Args:
        content: The whole file.
        name: For messages.

    Raises:
        DamagedError: It is no such file; nothing is allocated for what it claims.
    """
    from safetensors import SafetensorError, deserialize

    try:
        found: Any = deserialize(content)  # type: ignore[no-untyped-call]
        tensors = {}
        for key, part in found:
            dtype, shape = DTYPES[part["dtype"]], part["shape"]
            data = part["data"]
            flat = (
                torch.frombuffer(data, dtype=dtype)
                if data
                else torch.empty(0, dtype=dtype)
            )
            tensors[key] = flat.reshape(shape)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise DamagedError(f"{name} is no safetensors file: {error}.") from error
    return tensors
