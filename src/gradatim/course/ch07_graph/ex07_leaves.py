"""A walk along grad_fn and next_functions, up to the leaves."""

from typing import Any

import torch

from gradatim.course.exercise import expect

TEXT = """
Walk a graph yourself. `tensor.grad_fn` is the box of the operation that made it;
`box.next_functions` is a tuple of pairs. The first of each pair is a box one step up,
towards the blue ones, or None for data. The box of a blue tensor has an attribute
`variable`: the tensor. Write `leaves(tensor)`: a list of all blue tensors above
`tensor`, each **once**, however often it was used.
"""
STUB = """
def leaves(tensor):
    found = []
    waiting = [tensor.grad_fn]
    while waiting:
        box = waiting.pop()
        ...
    return found
"""
HINT = """
A box that is None is passed over. One that has `variable` is an end; else all its next
boxes wait. Compare tensors by `is`: `==` compares their numbers.
"""
SOLUTION = """
def leaves(tensor):
    found = []
    waiting = [tensor.grad_fn]
    while waiting:
        box = waiting.pop()
        if box is None:
            continue
        if hasattr(box, "variable"):
            if not any(box.variable is each for each in found):
                found.append(box.variable)
        else:
            waiting.extend(above for above, _ in box.next_functions)
    return found
"""
PRAISE = "backward finds the tensors whose `.grad` it fills on this way."
MUTANTS = r"""
each use: if not any(box.variable is each for each in found):\n                 =>
None not passed over: if box is None:\n            continue =>
only the first above:
  extend(above for above, _ in box.next_functions => append(box.next_functions[0][0]
None ends it: continue => break
boxes for tensors: found.append(box.variable) => found.append(box)
compared by their numbers: box.variable is each => bool(box.variable == each)
one level:
  waiting.extend(above for => found.extend(above.variable for
  box.next_functions) => box.next_functions if hasattr(above, 'variable'))
"""


def check(leaves: Any) -> None:
    """Walk four graphs."""
    a, b, c = (torch.tensor([v], requires_grad=True) for v in (0.5, 2.0, 2.0))
    named = {"a": a, "b": b, "c": c}
    x = torch.tensor([[0.0], [1.0], [3.0]])
    graphs = {
        "(x * b).mean()": ((x * b).mean(), "b"),
        "((a + b * x) ** 2).mean()": (((a + b * x) ** 2).mean(), "ab"),
        "(a * b + b * x - c).sum()": ((a * b + b * x - c).sum(), "abc"),
        "(a.detach() + x * c).mean()": ((a.detach() + x * c).mean(), "c"),
    }
    for text, (tensor, right) in graphs.items():
        answer = leaves(tensor)
        expect(isinstance(answer, list), "A list is to come back.")
        letters = []
        for leaf in answer:
            name = [n for n, tensor in named.items() if tensor is leaf]
            expect(
                bool(name),
                f"For `{text}` something is in the list that is no leaf of it: "
                f"{type(leaf).__name__}.",
            )
            letters += name
        lost = sorted(set(right) - set(letters))
        expect(
            not ({"b", "c"} <= set(right) and lost in (["b"], ["c"])),
            f"For `{text}` {', '.join(lost)} is missing. b and c hold the same number: "
            "compare tensors by `is`, for `in` and `==` compare their numbers.",
        )
        expect(
            sorted(letters) == list(right),
            f"For `{text}` you found {', '.join(sorted(letters)) or 'none'}; there are "
            f"{', '.join(right)}, each once.",
        )
