"""Names for the tensors of a trace: in batches, in outputs, and parameters."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["named_batch", "named_parameters", "named_tensors"]


def named_tensors(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """Go through the tensors of a value, with the expression that leads to each.

    >>> [name for name, _ in named_tensors({"ids": (torch.ones(2), None)}, "x")]
    ["x['ids'][0]"]
    """
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from named_tensors(part, f"{name}[{key!r}]")
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for key, part in zip(value._fields, value, strict=True):
            yield from named_tensors(part, f"{name}.{key}")
    elif isinstance(value, (tuple, list)):
        for index, part in enumerate(value):
            yield from named_tensors(part, f"{name}[{index}]")
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            part = getattr(value, field.name, None)
            yield from named_tensors(part, f"{name}.{field.name}")


def named_batch(
    batch: tuple[Any, ...], *, own_forward: bool
) -> list[tuple[str, Tensor]]:
    """Name the tensors of a batch: ``x`` and ``y``; ``batch`` with ``forward=``."""
    if own_forward:
        return list(named_tensors(batch[0] if len(batch) == 1 else batch, "batch"))
    names = ["x", "y"] if len(batch) == 2 else [f"batch[{i}]" for i in range(9)]
    return [
        pair
        for name, part in zip(names, batch, strict=False)
        for pair in named_tensors(part, name)
    ]


def named_parameters(
    model: nn.Module, loss_fn: Any, optimizer: torch.optim.Optimizer
) -> dict[str, nn.Parameter | Tensor]:
    """Name each parameter of model and loss, and what else the optimizer holds.

    >>> model, loss_fn = nn.Linear(1, 1), nn.MSELoss()
    >>> optimizer = torch.optim.SGD([*model.parameters(), torch.ones(1)])
    >>> list(named_parameters(model, loss_fn, optimizer))
    ['weight', 'bias', 'param_groups[0][2]']
    """
    pairs: list[tuple[str, Tensor]] = list(model.named_parameters())
    if isinstance(loss_fn, nn.Module):
        pairs += [(f"loss_fn.{name}", p) for name, p in loss_fn.named_parameters()]
    pairs += [
        (f"param_groups[{number}][{index}]", parameter)
        for number, group in enumerate(optimizer.param_groups)
        for index, parameter in enumerate(group["params"])
    ]
    named: dict[int, tuple[str, Tensor]] = {}
    for name, parameter in pairs:
        named.setdefault(id(parameter), (name, parameter))
    return dict(named.values())
