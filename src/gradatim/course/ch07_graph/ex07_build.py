"""Code for a graph that is given."""

from typing import Any

import torch

import gradatim as gt
from gradatim.course.exercise import expect

TEXT = """
Read this graph and write its code. From the green box up it is `Mean`, `Pow`, `Mul`.
Into `Mul` lead two arrows: one from the blue box of `a`, one from `Sub`. Into `Sub`
leads one arrow, from the blue box of `b`; the other side of the subtraction, x, is
data. Write `build(a, b, x)`: it returns the tensor behind that graph. The difference
is `x - b`, the power 2.
"""
STUB = """
def build(a, b, x):
    return ...
"""
HINT = """
Begin at the blue boxes: `x - b`. Then go down, one box after the other, and put
brackets around what you have.
"""
SOLUTION = """
def build(a, b, x):
    return ((a * (x - b)) ** 2).mean()
"""
PRAISE = "You read a graph as code. The next exercise goes the other way."
MUTANTS = """
the sum: mean => sum
no power: ** 2 =>
brackets: (a * (x - b)) ** 2 => a * (x - b) ** 2
an addition: x - b => x + b
a left out: a * (x - b) => 2 * (x - b)
multiplied for power: ((a * (x - b)) ** 2) => (a * (x - b) * (a * (x - b)))
detached: x - b => x - b.detach()
to the third: ** 2 => ** 3
"""

WANTED = [("Mean", ["Pow"]), ("Pow", ["Mul"]), ("Mul", ["a", "Sub"]), ("Sub", ["b"])]


def check(build: Any) -> None:
    """Compare boxes and arrows, then the value."""
    a = torch.tensor([2.0], requires_grad=True)
    b = torch.tensor([0.5], requires_grad=True)
    x = torch.tensor([[0.0], [1.0], [3.0]])
    answer = build(a, b, x)
    expect(
        isinstance(answer, torch.Tensor),
        f"A tensor is to come back, not {type(answer).__name__}.",
    )
    graph = gt.graph(answer, names={"a": a, "b": b})
    boxes = {node.number: node.name for node in graph.nodes}
    last = next(node.name for node in graph.nodes if node.kind == "output")
    expect(last == "Mean", f"The green box is {last}; it should be Mean.")
    for name, expected in WANTED:
        numbers = [number for number, each in boxes.items() if each == name]
        expect(len(numbers) == 1, f"There are {len(numbers)} boxes {name}, one is due.")
        above = [boxes[r.above] for r in graph.arrows if r.below == numbers[0]]
        expect(
            sorted(above) == sorted(expected),
            f"Into {name} lead arrows from {', '.join(above) or 'nothing'}; they "
            f"should come from {' and '.join(expected)}.",
        )
    value, right = answer.item(), ((a * (x - b)) ** 2).mean().item()
    expect(
        abs(value - right) < 1e-4,
        f"The boxes are right. The value is {value:.4f}, and should be {right:.4f}. "
        "Which power is it, and what is subtracted?",
    )
