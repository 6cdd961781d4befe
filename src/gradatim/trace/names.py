"""Names for what is traced: tensors within batches and outputs, and parameters."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["named_batch", "named_parameters", "named_tensors"]


def named_tensors(value: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    """Go through the tensors of a value, each with the expression that leads to it.

    >>> [name for name, _ in named_tensors({"ids": (torch.ones(2), None)}, "x")]
    ["x['ids'][0]"]
    """
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from named_tensors(part, f"{name}[{key!r}]")
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for field, part in zip(value._fields, value, strict=True):
            yield from named_tensors(part, f"{name}.{field}")
    elif isinstance(value, (tuple, list)):
        for index, part in enumerate(value):
            yield from named_tensors(part, f"{name}[{index}]")
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            part = getattr(value, each.name, None)
            yield from named_tensors(part, f"{name}.{each.name}")


def named_batch(
    batch: tuple[Any, ...], *, own_forward: bool
) -> list[tuple[str, Tensor]]:
    """Name the tensors of a batch: ``x`` and ``y``, or ``batch`` of an own forward."""
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
    """Name every parameter of model and loss, and what else the optimizer holds.

    >>> model, loss_fn = nn.Linear(1, 1), nn.MSELoss()
    >>> optimizer = torch.optim.SGD([*model.parameters(), torch.ones(1)])
    >>> list(named_parameters(model, loss_fn, optimizer))
    ['weight', 'bias', 'param_groups[0][2]']
    """
    named: dict[str, nn.Parameter | Tensor] = dict(model.named_parameters())
    seen = {id(parameter) for parameter in named.values()}
    if isinstance(loss_fn, nn.Module):
        for name, parameter in loss_fn.named_parameters():
            if id(parameter) not in seen:
                named[f"loss_fn.{name}"] = parameter
                seen.add(id(parameter))
    for number, group in enumerate(optimizer.param_groups):
        for index, parameter in enumerate(group["params"]):
            if id(parameter) not in seen:
                named[f"param_groups[{number}][{index}]"] = parameter
                seen.add(id(parameter))
    return named
