"""The autograd graph of a tensor, and its picture.

Autograd remembers how a tensor was computed, so that ``backward`` can go back through
it. This package reads that memory without changing it, and draws it: as a page with
zoom, search and a step-by-step backward, as a picture, or with letters. It is for
learners who want to see what ``backward`` does, and for anyone who asks which
operation keeps the memory, or where a gradient was lost.

Its parts, in the order to read them. Each one imports only from those above it:

- ``graph_data``: the boxes, arrows and groups of a graph. No tensor, no drawing.
- ``tensors``: what a box shows of a tensor, such as its shape and its bytes.
- ``gradients``: one backward pass, noted at each node.
- ``layout``: places for boxes of given sizes, whatever is in them.
- ``picture``: the boxes, modules and arrows of a graph, laid out module by module.
- ``svg``, ``html`` (with ``graph.html``, ``graph.css`` and ``graph.js``), ``dot`` and
  ``text``: one file for each way to draw.
- ``graph``: the class ``Graph``, with the methods that users call.
- ``saved_tensors`` and ``variable_names``: what operations keep for backward, and how
  the user's code calls its tensors.
- ``build``: the function ``graph``, from a tensor to a ``Graph``.
- ``record``: what only a running forward shows: modules, source lines, data.

What it must never do: change a value, a ``.grad`` or a random number of the user's
training, unpack a tensor that a hook has packed without being asked to, or write a page
that loads anything from elsewhere.

The function has the name :func:`graph`, so the package is called ``graphs``.
"""

from gradatim.graphs.build import graph
from gradatim.graphs.gradients import Backward, BackwardStep
from gradatim.graphs.graph import Graph
from gradatim.graphs.graph_data import Arrow, Group, Node, Saved
from gradatim.graphs.record import Recorded, record

__all__ = [
    "Arrow",
    "Backward",
    "BackwardStep",
    "Graph",
    "Group",
    "Node",
    "Recorded",
    "Saved",
    "graph",
    "record",
]
