"""What chapter 7 shows: the graph of the loss, its changes, and backward along it."""

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import gradatim as gt
from gradatim.course.attempts import loss_of, start
from gradatim.course.charts import beside
from gradatim.course.grids import grid
from gradatim.course.walks import points
from gradatim.graphs import Graph
from gradatim.page import escaped

__all__ = [
    "PARTS",
    "TOLD",
    "Branch",
    "backward_twice",
    "branch",
    "graph_of",
    "kept",
    "on_the_way",
    "small_graph",
    "steps_of",
    "three",
    "wanted",
    "without_graph",
]

PARTS = {
    "yhat": "yhat = a + b * x",
    "error": "error = y - yhat",
    "loss": "loss = (error ** 2).mean()",
}
"""What the tutorial draws, by name."""

TOLD = (
    "Before backward: the graph is there, no gradient yet.",
    "**1.** backward starts at Mean, with 1. The mean has 1 / {n} of each of its "
    "numbers in it, so it hands on 1 / {n} for each.",
    "**2.** Pow takes a square. Its derivative is 2 times the error, which it "
    "has kept.",
    "**3.** Sub is y minus yhat. For yhat the derivative is -1: the sign turns.",
    "**4.** Add hands on what arrives, to both sides.",
    "**5.** a is one number and was added to {n} numbers. Its gradient is their sum.",
    "**6.** Mul gets the same numbers from Add. It multiplies them by x, which it has "
    "kept, and sums them up for b.",
    "**7.** b has its gradient, too. backward is done.",
)
"""What happens at each step of backward; first what is before the first."""


def graph_of(part: str = "loss", *, a: bool = True, b: bool = True) -> Graph:
    """Make the graph of a part of the forward pass.

    Args:
        part: A name of :data:`PARTS`.
        a: Whether a asks for a gradient.
        b: As ``a``.

    Raises:
        GraphError: Neither does.

    >>> [node.name for node in graph_of("yhat").nodes]
    ['b', 'Mul', 'a', 'Add']
    >>> [node.name for node in graph_of("yhat", a=False).nodes]
    ['b', 'Mul', 'Add']
    """
    x, y = points()
    made = start()
    a_, b_ = made[0].requires_grad_(a), made[1].requires_grad_(b)
    yhat = a_ + b_ * x
    error = y - yhat
    loss = (error**2).mean()
    wanted = {"yhat": yhat, "error": error, "loss": loss}[part]
    return gt.graph(wanted, names={"a": a_, "b": b_})


@dataclass(frozen=True)
class Branch:
    """What an ``if`` made of the graph."""

    loss: float
    """That it looked at."""
    was_taken: bool
    graph: Graph


def branch(limit: float) -> Branch:
    """Build a graph by code that has an ``if`` in it.

    Args:
        limit: One more path is added where the loss is above.

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
    """One box that backward reaches."""

    number: int
    """Of the graph's node."""
    name: str
    gradient: str
    """What arrives there, as a text."""


def small_graph(num_rows: int) -> Graph:
    """Make the graph of the loss of the first rows."""
    x, y = points()
    a, b = start()
    loss = ((y[:num_rows] - (a + b * x[:num_rows])) ** 2).mean()
    return gt.graph(loss, names={"a": a, "b": b})


def steps_of(graph: Graph) -> list[Step]:
    """Give what backward reaches, in autograd's own order.

    >>> [step.name for step in steps_of(small_graph(3))]
    ['Mean', 'Pow', 'Sub', 'Add', 'a', 'Mul', 'b']
    """
    found = []
    for step in graph.gradients().steps:
        number = step.nodes[0]
        if step.values is not None and len(step.values) <= 3:
            told = ", ".join(f"{float(value):.3f}" for value in step.values)
        else:
            told = f"{step.shape} numbers, norm {step.norm:.3f}"
        found.append(Step(number, graph.nodes[number].name, told))
    return found


def on_the_way(num_rows: int, place: int) -> str:
    """Draw backward after some steps: the graph, and the gradients so far.

    Args:
        num_rows: Points that the loss is made of.
        place: Steps that were made; 0 is before backward.
    """
    graph = small_graph(num_rows)
    steps = steps_of(graph)[:place]
    svg = graph.svg()
    reached = [step.number for step in steps]
    for node in graph.nodes:
        opening = re.compile(rf'<g id="n{node.number}" class="\w+"')
        if reached and node.number == reached[-1]:
            look = "stroke:#ea7317;stroke-width:4"
        elif node.number in reached:
            look = "stroke:#ea7317;stroke-width:1.5"
        else:
            look = "stroke-opacity:.4;fill-opacity:.35"
        found = opening.search(svg)
        assert found is not None
        at = svg.index("<rect ", found.end())
        svg = f'{svg[:at]}<rect style="{look}" {svg[at + 6 :]}'
    rows = [
        {"step": str(n), "box": step.name, "gradient that arrives": step.gradient}
        for n, step in enumerate(steps, 1)
    ]
    none = [{"step": "0", "box": "none yet", "gradient that arrives": ""}]
    return beside(svg, grid(rows or none))


KEPT = {"Pow": "the error", "Mul": "x"}
"""What a box of the loss keeps for backward."""


def three(*, a: bool, b: bool) -> str:
    """Draw the graphs of :data:`PARTS` side by side, or say why there are none.

    Args:
        a: Whether a asks for a gradient.
        b: As ``a``.

    >>> "Neither" in three(a=False, b=False)
    True
    """
    if not (a or b):
        return "<p>Neither a nor b asks for a gradient: there is no graph at all.</p>"
    return beside(
        *(
            f"<div><code>{escaped(text)}</code><br>{graph_of(part, a=a, b=b).svg()}"
            "</div>"
            for part, text in PARTS.items()
        )
    )


def wanted() -> str:
    """Draw the graph that the first exercise asks for."""
    a, b = start()
    x, _ = points()
    found = ((a * (x[:3] - b)) ** 2).mean()
    return gt.graph(found, names={"a": a, "b": b}).svg()


def kept(*, after: bool) -> str:
    """Draw the loss's graph with what each operation keeps for backward.

    Args:
        after: Whether backward has run.

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
            "": ", ".join(each.state for each in node.saved),
        }
        for node in reversed(graph.nodes)
        if node.is_operation
    ]
    title = "after backward" if after else "before backward"
    return beside(graph.svg(), grid(rows, caption=title))


def backward_twice(*, retain: bool) -> str:
    """Call backward two times on one graph; give what is in ``a.grad`` then.

    Args:
        retain: Whether the first call keeps the graph.

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
    """Ask for the picture of a tensor that has no graph; it raises."""
    a, b = start()
    with torch.no_grad():
        loss = loss_of(a, b)
    return gt.graph(loss, names={})
