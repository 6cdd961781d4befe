"""The autograd graph of a tensor, and its picture.

:func:`graph` is the function; so that its name is free, the package is called graphs.
"""

from gradatim.graphs.gradients import Backward, BackwardStep
from gradatim.graphs.graph import Arrow, Graph, Group, Node, Saved
from gradatim.graphs.record import Recorded, record
from gradatim.graphs.walk import graph

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
