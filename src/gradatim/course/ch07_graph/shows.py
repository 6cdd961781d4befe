"""What chapter 7 shows: the graph of the loss, its changes, and backward along it."""

import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import gradatim as gt
from gradatim.course.ch06_autograd.shows import loss_of, start
from gradatim.course.training_paths import points
from gradatim.graphs import Graph
from gradatim.pages.charts import beside
from gradatim.pages.html_tables import grid
from gradatim.pages.page import escaped
from gradatim.pages.player import only, player

STATES: dict[str, list[Any]] = {"num_rows": [3, 1, 80], "limit": [0, 1, 2, 2.5, 3, 4]}
"""Controls that move on a frozen page, with their values; it opens with the first."""

PARTS = {
    "yhat": "yhat = a + b * x",
    "error": "error = y - yhat",
    "loss": "loss = (error ** 2).mean()",
}
"""What the tutorial draws, by name."""

TOLD = (
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


def stepped(num_rows: int) -> str:
    """Draw backward step by step: the graph, and the gradients so far.

    Args:
        num_rows: Points that the loss is made of.

    >>> stepped(3).count("data-only")
    8
    """
    graph = small_graph(num_rows)
    steps = steps_of(graph)
    told = [line.format(n=num_rows, share=1 / num_rows) for line in TOLD]
    pictures = [_after(graph, steps, place) for place in range(len(told))]
    return player(
        "".join(only(each, n, n + 1) for n, each in enumerate(pictures)),
        len(told),
        steps={"one more step": 1},
        told=told,
        label="steps of backward",
        rate=0.7,
    )


def _after(graph: Graph, steps: list[Step], place: int) -> str:
    """Draw the graph after some steps, and what has arrived where."""
    svg = graph.svg()
    reached = [step.number for step in steps[:place]]
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
    # All rows are there from the first, so that the page does not move.
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
    """Tell the points of :func:`small_graph` and their errors, if they are few.

    >>> rows_told(1)
    'The point: x 0.7713, error 2.0385.'
    """
    if num_rows > 3:
        return f"All {num_rows} points."
    x, y = (each[:num_rows] for each in points())
    a, b = start()
    errors = (y - (a + b * x)).flatten().tolist()
    pairs = [
        f"x {one:.4f}, error {error:.4f}"
        for one, error in zip(x.flatten().tolist(), errors, strict=True)
    ]
    return f"The point{'s' if num_rows > 1 else ''}: {'; '.join(pairs)}."


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
            f'<div style="margin-right:2em"><code>{escaped(text)}</code><br>'
            f"{graph_of(part, a=a, b=b).svg()}</div>"
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
