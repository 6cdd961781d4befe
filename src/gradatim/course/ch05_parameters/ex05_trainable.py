"""Which tensors can be trained."""

from typing import Any

import torch

from gradatim.course.exercise import expect

TEXT = """
Write `trainable(tensors)`: of a list of tensors the list of those that can be trained,
in their order.
"""
STUB = """
def trainable(tensors):
    return [t for t in tensors if ...]
"""
HINT = "Two things must hold. Each is an attribute of the tensor."
SOLUTION = """
def trainable(tensors):
    return [t for t in tensors if t.is_leaf and t.requires_grad]
"""
PRAISE = "This is what an optimizer asks for, and what `.grad` is filled for."
MUTANTS = """
leaves only: t.is_leaf and t.requires_grad => t.is_leaf
what asks only: t.is_leaf and t.requires_grad => t.requires_grad
either: and => or
what has a grad already: t.is_leaf and t.requires_grad => t.grad is not None
no grad_fn: t.is_leaf and t.requires_grad => t.grad_fn is None
copies: [t for => [t.clone() for
all: t.is_leaf and t.requires_grad => True
"""


def check(trainable: Any) -> None:
    """Give it tensors of each kind, and compare by name."""
    a = torch.ones(1, requires_grad=True)
    tensors = {
        "torch.ones(1)": torch.ones(1),
        "a": a,
        "2 * a": 2 * a,
        "a.detach()": a.detach(),
        "a.double()": a.double(),
        "torch.zeros(2, requires_grad=True)": torch.zeros(2, requires_grad=True),
    }
    answer = trainable(list(tensors.values()))
    expect(isinstance(answer, list), f"A list is to come back; {answer!r} did.")
    by_id = {id(tensor): name for name, tensor in tensors.items()}
    expect(
        all(id(tensor) in by_id for tensor in answer),
        "Something came back that was not in the list: a copy is another tensor.",
    )
    right = ["a", "torch.zeros(2, requires_grad=True)"]
    got = [by_id[id(tensor)] for tensor in answer]
    for name in tensors:
        expect(
            (name in got) == (name in right),
            f"`{name}` {'can' if name in right else 'cannot'} be trained; you say the "
            "opposite. (a is `torch.ones(1, requires_grad=True)`.)",
        )
    expect(got == right, f"The order is to be that of the list; yours is {got}.")
    expect(trainable([]) == [], "Of an empty list an empty list is to come back.")
