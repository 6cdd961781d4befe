"""A digest of the data: a few words that change when the data change.

Tensors, arrays and tables are digested byte by byte. The rows of any other data set may
be files or pictures: its digest is of its length and of 64 rows, and says so. A change
in another row is not noticed.
"""

import hashlib
import random
from collections.abc import Mapping, Sized
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gradatim.data.why_inexact import dataset_why_inexact
from gradatim.nested import as_tensors
from gradatim.rng import keeping_rng

__all__ = ["EVERY_BYTE", "dataset_digest", "tensor_digest"]

EVERY_BYTE = "every byte"
"""What the digest of tensors covers."""

NUM_ROWS = 64
"""Rows of a data set that are digested. Chosen by hand, not measured."""


def tensor_digest(data: Any, rows: Tensor | None = None) -> dict[str, Any]:
    """Describe tensors by the SHA-256 of their structure, shapes, dtypes and bytes.

    Args:
        data: A tensor, or tuples, lists and dicts of them.
        rows: The rows of the tensors that are meant; all by default.

    >>> tensor_digest((torch.zeros(3), torch.zeros(3)))["sha256"][:12]
    '80eaed8982cf'
    >>> tensor_digest(torch.zeros(3)) == tensor_digest(torch.zeros(1, 3))
    False
    """
    digest = hashlib.sha256()
    _add(digest, data)
    if rows is not None:
        _add(digest, rows)
    return {"covers": EVERY_BYTE, "sha256": digest.hexdigest()}


def dataset_digest(data: Any) -> dict[str, Any]:
    """Describe a data set by its class, its length and 64 rows, evenly spaced.

    The global generators have a fixed seed while the rows are fetched, and are put
    back. A data set that gives another row the second time, or has no length, is
    described by class and length alone.
    """
    about: dict[str, Any] = {"class": type(data).__qualname__}
    if not isinstance(data, Sized) or not hasattr(data, "__getitem__"):
        return {"covers": "its class alone", **about}
    about["rows"] = total = len(data)
    if dataset_why_inexact(data):  # fetching would move its generator
        return {"covers": "class and length", **about}
    indices = sorted({i * total // NUM_ROWS for i in range(NUM_ROWS)}) if total else []
    with keeping_rng():
        first, second = (_rows_digest(data, indices) for _ in range(2))
    if first != second:
        return {"covers": "class and length", **about}
    return {"covers": f"{len(indices)} of {total} rows", **about, "sha256": first}


def _rows_digest(data: Any, indices: list[int]) -> str:
    # Not torch.manual_seed: devices that are not in use yet would begin from it.
    torch.default_generator.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    digest = hashlib.sha256()
    for index in indices:
        _add(digest, data[index])
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    """Add a value after its kind, so that no two structures give the same bytes."""
    value = as_tensors(value) if isinstance(value, np.ndarray) else value
    if isinstance(value, Tensor):
        digest.update(f"tensor {value.dtype} {tuple(value.shape)}\n".encode())
        flat = value.detach().cpu().contiguous().reshape(-1)
        if flat.is_complex():
            flat = torch.view_as_real(flat).reshape(-1)
        if flat.numel():
            digest.update(flat.view(torch.uint8).numpy())
    elif isinstance(value, Mapping):
        digest.update(f"dict {len(value)}\n".encode())
        for key, part in value.items():
            digest.update(f"{key!r}\n".encode())
            _add(digest, part)
    elif isinstance(value, (tuple, list)):
        digest.update(f"list {len(value)}\n".encode())
        for part in value:
            _add(digest, part)
    elif isinstance(value, (str, bytes, int, float, bool, complex, type(None))):
        digest.update(f"{type(value).__name__} {value!r}\n".encode())
    else:  # such as a PIL image, which has a tobytes()
        content = getattr(value, "tobytes", lambda: b"")()
        digest.update(type(value).__qualname__.encode() + content + b"\n")
