"""Numbers about tensors, taken at the few steps that are looked at closely."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node as Function

from gradatim.nodes import WEIGHED, leaf_of, operation_name
from gradatim.watching.training_seen import Broadcast, OutputNumbers

__all__ = [
    "graph_facts",
    "has_mode",
    "joint_norm",
    "loss_facts",
    "module_probe",
    "operations_before",
    "update_of",
]

MOST_NODES = 20_000
MOST_NUMBERS, MOST_OF_OUTPUT = 1_000_000, 100_000
"""Of a larger tensor the first are looked at."""

NEAR = 12
"""Operations between a loss and a difference that still belongs to it."""
ARITHMETIC = ("Sub", "Add", "Mul", "Div", "Rsub")


def has_mode(module: nn.Module) -> bool:
    """Tell whether a module does something else in eval mode."""
    if isinstance(module, (nn.RNNBase, nn.MultiheadAttention)):
        return module.dropout > 0
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return module.p > 0
    if isinstance(module, nn.modules.batchnorm._NormBase):
        return isinstance(module.running_mean, Tensor)
    return False


def module_probe(
    step: int, name: str, module: nn.Module, output: Tensor
) -> OutputNumbers | None:
    """Look at what a module gave."""
    if not output.is_floating_point() or not output.numel():
        return None
    numbers = output
    if numbers.numel() > MOST_OF_OUTPUT:
        numbers = numbers[: max(1, MOST_OF_OUTPUT * len(numbers) // numbers.numel())]
    numbers = numbers.float()
    std = float(numbers.std(correction=0))
    if not math.isfinite(std):
        good = numbers[numbers.isfinite()]
        std = float(good.std(correction=0)) if good.numel() else 0.0
    return OutputNumbers(step, name, type(module).__name__, std)


def loss_facts(input: Tensor, target: Tensor) -> dict[str, float]:
    """Look at what a loss compares."""
    facts: dict[str, float] = {}
    for name, tensor in (("input", input), ("target", target)):
        numbers = tensor.flatten()[:MOST_NUMBERS].double()
        if not numbers.numel():
            continue
        facts[f"{name}_min"] = float(numbers.min())
        facts[f"{name}_max"] = float(numbers.max())
        facts[f"{name}_mean"] = float(numbers.mean())
        facts[f"{name}_std"] = float(numbers.std(correction=0))
        facts[f"{name}_whole"] = float((numbers == numbers.round()).all())
        facts[f"{name}_bad"] = float((~numbers.isfinite()).sum())
    if input.dim() >= 2 and input.is_floating_point() and input.size(1) > 1:
        wide = input[: max(1, MOST_NUMBERS // max(1, input[0].numel()))].double()
        facts["input_row_sum_error"] = float((wide.sum(dim=1) - 1).abs().max())
        facts["input_log_sum_error"] = float(wide.logsumexp(dim=1).abs().max())
    if target.dim() >= 2 and target.size(1) > 1:
        wide = target[: max(1, MOST_NUMBERS // max(1, target[0].numel()))].double()
        facts["target_row_sum_error"] = float((wide.sum(dim=1) - 1).abs().max())
    if target.dim() and not target.is_floating_point():
        counts = target.flatten()[:MOST_NUMBERS].unique(return_counts=True)[1]
        facts["target_classes"] = float(len(counts))
        facts["target_largest_share"] = float(counts.max()) / float(counts.sum())
    _more_facts(input, target, facts)
    return facts


def _more_facts(input: Tensor, target: Tensor, facts: dict[str, float]) -> None:
    """Add the commonest class, what is predicted, and the mean squared error."""
    if not target.is_floating_point() and target.dim() == 1:
        facts["target_common"] = float(target.mode().values)
    if input.dim() == 2 and input.size(1) > 1 and target.dim() == 1:
        facts["predicted_classes"] = float(len(input.argmax(dim=1).unique()))
    if input.shape == target.shape and target.is_floating_point():
        some, wanted = input.flatten()[:MOST_NUMBERS], target.flatten()[:MOST_NUMBERS]
        error = (some.double() - wanted.double()).square().mean()
        facts["squared_error"] = float(error)


def operations_before(tensor: Tensor, most: int = 4) -> tuple[str, ...]:
    """Name the operations that made a tensor, as long as each has one before it."""
    names: list[str] = []
    function = tensor.grad_fn
    while function is not None and len(names) < most:
        names.append(operation_name(function))
        inputs = [f for f, _ in function.next_functions if f is not None]
        inner = [f for f in inputs if leaf_of(f) is None]
        function = inner[0] if len(inner) == 1 else None
    return tuple(names)


def graph_facts(root: Function) -> tuple[int, tuple[Broadcast, ...]]:
    """Count the nodes behind a loss, and find broadcasts by hand near it.

    A broadcast is an addition, subtraction or product of two tensors whose result has
    more numbers than either of them.
    """
    seen = {root}
    stack = [(root, 0)]
    broadcasts: list[Broadcast] = []
    while stack and len(seen) < MOST_NODES:
        function, depth = stack.pop()
        kind = operation_name(function)
        if depth < NEAR and kind in ARITHMETIC:
            found = _broadcast(function)
            if found is not None:
                broadcasts.append(found)
        for other, _ in function.next_functions:
            if other is not None and other not in seen:
                seen.add(other)
                # Behind a layer with weights it is no longer the loss.
                stack.append((other, NEAR if kind in WEIGHED else depth + 1))
    return len(seen), tuple(broadcasts)


def _broadcast(function: Function) -> Broadcast | None:
    metadata: Any = getattr(function, "_input_metadata", ())
    if not metadata:
        return None
    shape = tuple(metadata[0].shape)
    inputs = []
    for other, place in function.next_functions:
        if other is None:
            continue
        if (leaf := leaf_of(other)) is not None:
            inputs.append(tuple(leaf.shape))
        else:
            about: Any = getattr(other, "_input_metadata", ())
            if place < len(about):
                inputs.append(tuple(about[place].shape))
    if any(type(n) is not int for n in shape) or not inputs:
        return None
    # One of two has more: the other, which autograd may not know, has it all.
    if all(math.prod(each) < math.prod(shape) for each in inputs):
        return operation_name(function), shape, tuple(inputs)
    return None


def joint_norm(tensors: Sequence[Tensor]) -> float | None:
    """Give the 2-norm of all together; None of none."""
    dense = [t for t in tensors if t.layout is torch.strided and not t.is_nested]
    if not dense:
        return None
    with torch.no_grad():
        norms = torch._foreach_norm([t.detach() for t in dense])
        return math.hypot(*(float(norm) for norm in norms))


def update_of(before: Tensor, after: Tensor) -> tuple[float, float]:
    """Give the norms of what an update added, and of what it was added to."""
    with torch.no_grad():
        delta = float(torch.linalg.vector_norm(after.detach() - before))
        return delta, float(torch.linalg.vector_norm(before))
