"""A graph as data: its boxes, its arrows, and the calls of modules that made them.

Nothing here draws, and nothing here holds a tensor. The files that draw a graph read
:class:`GraphData`; :class:`gradatim.graphs.graph.Graph` adds the methods for users.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from gradatim.text import printable, shortened

__all__ = ["Arrow", "GraphData", "Group", "Kind", "Node", "Saved", "kept_name"]

Kind = Literal["operation", "output", "parameter", "input", "data"]
"""What a box stands for. An output is an operation that ``backward`` starts from. An
input is a tensor that requires a gradient and does not belong to the model. Data have
no gradient."""


LONGEST_NAME = 2_000
"""The characters of a name that are kept: its middle is left out of a longer one, which
would stand in a page a dozen times. Chosen by hand, not measured."""


def kept_name(text: str) -> str:
    """Give a name as a graph keeps it: not all of a very long one, and printable."""
    return printable(shortened(text, LONGEST_NAME))


class _Record:
    """A base that writes a dataclass as JSON has it."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as JSON has them: with lists in place of tuples."""
        instance: Any = self
        return asdict(instance, dict_factory=_with_lists)


def _with_lists(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in fields
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved(_Record):
    """A tensor that an operation keeps for its backward."""

    name: str
    state: Literal["kept", "freed", "packed"]
    """A tensor is freed after backward. It is packed where a hook has replaced it, as
    in a checkpointed segment."""
    shape: tuple[Any, ...] | None = None
    dtype: str = ""
    num_bytes: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Node(_Record):
    """A box of the graph.

    A parameter that is used several times has one box for each use; all of them have
    the same ``name``.
    """

    number: int
    kind: Kind
    name: str
    """The operation, such as ``Add``, or the name of the tensor."""
    shape: tuple[Any, ...] | None = None
    """The shape of the tensor, or of the operation's first output."""
    dtype: str = ""
    device: str = ""
    num_bytes: int = 0
    """The size of that tensor, whether or not it is still in memory."""
    saved: tuple[Saved, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    """What else the operation keeps for backward, such as a ``dim`` or an ``eps``."""
    group: int | None = None
    """The call of a module that made the box: a number of :attr:`GraphData.groups`."""
    line: str = ""
    """The line of source that made the box, such as ``train.py:8  yhat = a + b * x``;
    empty if the forward was not recorded."""

    @property
    def is_operation(self) -> bool:
        """Whether autograd runs this box in backward."""
        return self.kind in ("operation", "output")


@dataclass(frozen=True, slots=True)
class Arrow:
    """An arrow from the box that was computed first to a box that uses it."""

    above: int
    below: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Group(_Record):
    """One call of a module."""

    number: int
    name: str
    """The module's name, such as ``layers.0.linear1``; its class where the model does
    not know the module."""
    kind: str
    """The module's class."""
    parent: int | None
    """The call of the module inside which this call happened."""
    call: int = 1
    """Which of the module's calls in this graph this is, counted from 1."""
    num_calls: int = 1

    @property
    def title(self) -> str:
        """The text on the frame of this call."""
        name = self.name if self.name == self.kind else f"{self.name}: {self.kind}"
        return name + f" ({self.call} of {self.num_calls})" * (self.num_calls > 1)


@dataclass(eq=False, repr=False)
class GraphData:
    """The boxes, arrows and calls of modules of one graph: see :class:`Graph`."""

    nodes: list[Node]
    arrows: list[Arrow]
    groups: list[Group]

    def __repr__(self) -> str:
        num_operations = sum(node.is_operation for node in self.nodes)
        return (
            f"Graph({num_operations} operations, {len(self.nodes) - num_operations} "
            f"tensors, {len(self.arrows)} arrows)"
        )

    @property
    def num_saved_bytes(self) -> int:
        """Bytes kept for backward; a tensor that is kept twice counts twice."""
        return sum(saved.num_bytes for node in self.nodes for saved in node.saved)

    @property
    def has_packed(self) -> bool:
        """Whether a tensor is packed by a hook, which backward would have to call."""
        return "packed" in {s.state for node in self.nodes for s in node.saved}

    def to_dict(self) -> dict[str, Any]:
        """Give nodes, arrows and groups as JSON has them."""
        return {
            "nodes": [node.to_dict() for node in self.nodes],
            "arrows": [[arrow.above, arrow.below] for arrow in self.arrows],
            "groups": [group.to_dict() for group in self.groups],
        }
