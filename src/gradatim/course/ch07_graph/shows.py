"""What chapter 7 shows: the graph of the loss, its changes, and backward along it."""

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import gradatim as gt
from gradatim.course.ch06_autograd.shows import loss_of
from gradatim.course.training_paths import points, start
from gradatim.graphs import Graph
from gradatim.pages.charts import beside
from gradatim.pages.html_tables import grid
from gradatim.pages.page import escaped
from gradatim.pages.player import only, player

STATES: dict[str, list[Any]] = {"num_rows": [3, 1, 80], "limit": [0, 1, 2, 2.5, 3, 4]}

PARTS = {
    "yhat": "yhat = a + b * x",
    "error": "error = y - yhat",
    "loss": "loss = (error ** 2).mean()",
}
"""The parts of the forward pass whose graphs the tutorial draws, by name."""

CAPTIONS = (
    "Before backward: the graph is there, no gradient yet.",
    "1. backward starts at Mean, with 1. The mean has 1/{n} of each of its numbers in "
    "it, so it hands on {share:.4g} for each.",
    "2. Pow takes a square. Its derivative is 2 times the error, which it has kept.",
    "3. Sub is y minus yhat. For yhat the derivative is -1: the sign turns.",
    "4. Add hands on what arrives, to both sides.",
    "5. a is one number and was added to {n} numbers. Its gradient is their sum.",
    "6. Mul gets the same numbers from Add. It multiplies them by x, which it has "
    "kept, and sums them up for b.",
    "7. b has its gradient, too. backward is done.",
)
"""What happens at each step of backward; the first caption is before all steps."""


def graph_of(part: str = "loss", *, a: bool = True, b: bool = True) -> Graph:
    """Make the graph of one of :data:`PARTS`, if a or b or both require a gradient.

    >>> [node.name for node in graph_of("yhat").nodes]
    ['b', 'Mul', 'a', 'Add']
    >>> [node.name for node in graph_of("yhat", a=False).nodes]
    ['b', 'Mul', 'Add']
    """
    x, y = points()
    a_, b_ = start()
    yhat = a_.requires_grad_(a) + b_.requires_grad_(b) * x
    error = y - yhat
    loss = (error**2).mean()
    result = {"yhat": yhat, "error": error, "loss": loss}[part]
    return gt.graph(result, names={"a": a_, "b": b_})


@dataclass(frozen=True)
class Branch:
    """A graph built by code with an ``if``, which compares the loss with a limit."""

    loss: float
    was_taken: bool
    graph: Graph


def branch(limit: float) -> Branch:
    """Build a graph to which an ``if`` adds one more path if the loss exceeds a limit.

    >>> len(branch(0).graph.nodes), len(branch(5).graph.nodes)
    (12, 7)
    """
    x, y = points()
    a, b = start()
    loss = loss_of(a, b)
    value = loss.item()
    if loss > limit:
        loss = loss + (y - b * x).mean()
    graph = gt.graph(loss, names={"a": a, "b": b})
    return Branch(value, value > limit, graph)


@dataclass(frozen=True)
class Step:
    """One box that backward reaches, and the gradient that arrives there, as a text."""

    number: int
    name: str
    gradient: str


def small_graph(num_rows: int) -> Graph:
    """Make the graph of the loss of the first ``num_rows`` rows."""
    x, y = points()
    a, b = start()
    loss = ((y[:num_rows] - (a + b * x[:num_rows])) ** 2).mean()
    return gt.graph(loss, names={"a": a, "b": b})


def steps_of(graph: Graph) -> list[Step]:
    """Give the boxes that backward reaches, in the order of autograd.

    >>> [step.name for step in steps_of(small_graph(3))]
    ['Mean', 'Pow', 'Sub', 'Add', 'a', 'Mul', 'b']
    """
    boxes = []
    for step in graph.gradients().steps:
        number = step.nodes[0]
        if step.values is not None and len(step.values) <= 3:
            gradient = ", ".join(f"{float(value):.3f}" for value in step.values)
        else:
            gradient = f"{step.shape} numbers, norm {step.norm:.3f}"
        boxes.append(Step(number, graph.nodes[number].name, gradient))
    return boxes


def stepped(num_rows: int) -> str:
    """Draw backward through the loss of some rows, step by step, with its gradients.

    >>> stepped(3).count("data-only")
    8
    """
    graph = small_graph(num_rows)
    steps = steps_of(graph)
    captions = [line.format(n=num_rows, share=1 / num_rows) for line in CAPTIONS]
    pictures = [_after(graph, steps, place) for place in range(len(captions))]
    return player(
        "".join(only(picture, n, n + 1) for n, picture in enumerate(pictures)),
        len(captions),
        steps={"one more step": 1},
        told=captions,
        label="steps of backward",
        rate=0.7,
    )


def _after(graph: Graph, steps: list[Step], place: int) -> str:
    """Draw the graph after some steps, with a table of the gradients so far."""
    svg = graph.svg()
    reached = [step.number for step in steps[:place]]
    for node in graph.nodes:
        if reached and node.number == reached[-1]:
            look = "stroke:#ea7317;stroke-width:4"
        elif node.number in reached:
            look = "stroke:#ea7317;stroke-width:1.5"
        else:
            look = "stroke-opacity:.4;fill-opacity:.35"
        box = rf'(<g id="n{node.number}" class="\w+".*?<rect )'
        svg = re.sub(box, rf'\1style="{look}" ', svg, count=1, flags=re.DOTALL)
    # The table has all its rows from the first step on, so that the page stays still.
    rows = [
        {
            "step": str(n),
            "box": step.name if n <= place else "",
            "gradient that arrives": step.gradient if n <= place else "",
        }
        for n, step in enumerate(steps, 1)
    ]
    return beside(svg, grid(rows))


def rows_told(num_rows: int) -> str:
    """Write the first points and their errors, if they are three at most.

    >>> rows_told(1)
    'The point: x 0.7713, error 2.0385.'
    """
    if num_rows > 3:
        return f"All {num_rows} points."
    x, y = (column[:num_rows] for column in points())
    a, b = start()
    errors = (y - (a + b * x)).flatten().tolist()
    pairs = [
        f"x {value:.4f}, error {error:.4f}"
        for value, error in zip(x.flatten().tolist(), errors, strict=True)
    ]
    return f"The point{'s' if num_rows > 1 else ''}: {'; '.join(pairs)}."


KEPT = {"Pow": "the error", "Mul": "x"}
"""What a box in the graph of the loss keeps for backward, by the name of the box."""


def three(*, a: bool, b: bool) -> str:
    """Draw the graphs of :data:`PARTS` side by side, or say why there are none.

    ``a`` and ``b`` say which of the two requires a gradient.

    >>> "Neither" in three(a=False, b=False)
    True
    """
    if not (a or b):
        return "<p>Neither a nor b asks for a gradient: there is no graph at all.</p>"
    return beside(
        *(
            f'<div style="margin-right:2em"><code>{escaped(text)}</code><br>'
            f"{graph_of(part, a=a, b=b).svg()}</div>"
            for part, text in PARTS.items()
        )
    )


def wanted() -> str:
    """Draw the graph that the first exercise asks for."""
    a, b = start()
    x, _ = points()
    loss = ((a * (x[:3] - b)) ** 2).mean()
    return gt.graph(loss, names={"a": a, "b": b}).svg()


def kept(*, after: bool) -> str:
    """Draw what each operation of the loss keeps, before or after backward.

    >>> "freed" in kept(after=True), "freed" in kept(after=False)
    (True, False)
    """
    a, b = start()
    loss = loss_of(a, b)
    if after:
        loss.backward()
    graph = gt.graph(loss, names={"a": a, "b": b})
    rows = [
        {
            "box": node.name,
            "keeps": KEPT[node.name] if node.saved else "nothing",
            "": ", ".join(saved.state for saved in node.saved),
        }
        for node in reversed(graph.nodes)
        if node.is_operation
    ]
    title = "after backward" if after else "before backward"
    return beside(graph.svg(), grid(rows, caption=title))


def backward_twice(*, retain: bool) -> str:
    """Call backward two times on one graph, which the first call may keep.

    >>> backward_twice(retain=True)
    'a.grad is -3.1125 after the first call, -6.2250 after the second.'
    """
    a, b = start()
    loss = loss_of(a, b)
    loss.backward(retain_graph=retain)
    first = _grad(a)
    loss.backward()
    return (
        f"a.grad is {first:.4f} after the first call, {_grad(a):.4f} after the second."
    )


def _grad(tensor: Tensor) -> float:
    assert tensor.grad is not None
    return tensor.grad.item()


def without_graph() -> Any:
    """Ask for the picture of a tensor that has no graph, which raises."""
    a, b = start()
    with torch.no_grad():
        loss = loss_of(a, b)
    return gt.graph(loss, names={})
