"""A graph as data: boxes, arrows, the modules that made them; and how to see it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor
from torch.autograd.graph import Node as Function

from gradatim.errors import ConfigError
from gradatim.graphs import dot, html, svg, text
from gradatim.graphs.gradients import Backward, step_backward
from gradatim.text import printable

__all__ = ["Arrow", "Graph", "Group", "Kind", "Node", "Saved"]

Kind = Literal["operation", "output", "parameter", "input", "data"]
"""An output is the operation that ``backward`` starts from; an input is a tensor that
asks for a gradient and is not the model's; data have none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Saved:
    """A tensor that an operation keeps for its backward."""

    name: str
    state: Literal["kept", "freed", "packed"]
    """Freed after backward; packed by a hook, as in a checkpointed segment."""
    shape: tuple[Any, ...] | None = None
    dtype: str = ""
    num_bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {
            "name": self.name,
            "state": self.state,
            "shape": _as_list(self.shape),
            "dtype": self.dtype,
            "num_bytes": self.num_bytes,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """A box.

    A parameter that is used several times has one box for each use, all of one
    ``name``.
    """

    number: int
    kind: Kind
    name: str
    """``Add``, or the name of the tensor."""
    shape: tuple[Any, ...] | None = None
    """Of its (first) output."""
    dtype: str = ""
    device: str = ""
    num_bytes: int = 0
    """Of its (first) output, whether or not that is still in memory."""
    saved: tuple[Saved, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    """What else it keeps for backward: a ``dim``, an ``eps``."""
    group: int | None = None
    """The call of a module that made it; a number of :attr:`Graph.groups`."""
    line: str = ""
    """Where in the source, ``train.py:8  yhat = a + b * x``, if it was recorded."""

    @property
    def is_operation(self) -> bool:
        """Whether autograd runs it in backward."""
        return self.kind in ("operation", "output")

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {
            "number": self.number,
            "kind": self.kind,
            "name": self.name,
            "shape": _as_list(self.shape),
            "dtype": self.dtype,
            "device": self.device,
            "num_bytes": self.num_bytes,
            "saved": [each.to_dict() for each in self.saved],
            "options": dict(self.options),
            "group": self.group,
            "line": self.line,
        }


@dataclass(frozen=True, slots=True)
class Arrow:
    """From what was computed first to what uses it."""

    above: int
    below: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """One call of a module."""

    number: int
    name: str
    """``layers.0.linear1``; the class where the model does not know the module."""
    kind: str
    """Its class."""
    parent: int | None
    """The call that it happened in."""
    call: int = 1
    num_calls: int = 1
    """Of this module in this graph, and which of them it is."""

    @property
    def title(self) -> str:
        """What stands on its box."""
        name = self.name if self.name == self.kind else f"{self.name}: {self.kind}"
        return (
            f"{name} ({self.call} of {self.num_calls})" if self.num_calls > 1 else name
        )

    def to_dict(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {
            "number": self.number,
            "name": self.name,
            "kind": self.kind,
            "parent": self.parent,
            "call": self.call,
            "num_calls": self.num_calls,
        }


class Graph:
    """The autograd graph of a tensor; made by :func:`graph`.

    It holds the tensor, and with it what backward needs, as long as it lives.

    Attributes:
        nodes: The boxes; each stands after those above it.
        arrows: In the order of what they lead to, and of its arguments.
        groups: The calls of modules; each stands after the one it happened in.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        arrows: Sequence[Arrow],
        groups: Sequence[Group] = (),
        *,
        tensors: Sequence[Tensor] = (),
        functions: Mapping[int, Function] | None = None,
        leaves: Mapping[int, Tensor] | None = None,
    ) -> None:
        self.nodes = list(nodes)
        self.arrows = list(arrows)
        self.groups = list(groups)
        self._tensors = list(tensors)
        self._functions = dict(functions or {})
        self._leaves = dict(leaves or {})
        self._backward: Backward | None = None

    def __repr__(self) -> str:
        num_operations = sum(node.is_operation for node in self.nodes)
        return (
            f"Graph({num_operations} operations, {len(self.nodes) - num_operations} "
            f"tensors, {len(self.arrows)} arrows)"
        )

    @property
    def num_saved_bytes(self) -> int:
        """Bytes kept for backward; a tensor that is kept twice counts twice."""
        return sum(each.num_bytes for node in self.nodes for each in node.saved)

    def gradients(self) -> Backward:
        """Find the gradient at each node, in autograd's own order; asked for once.

        ``torch.autograd.grad`` is run over the graph, which stays: no ``.grad`` is
        touched. A tensor of several numbers is taken for its sum. Hooks of your own
        run. Checkpointed segments run their forwards again.

        Returns:
            The steps; none, and the reason why, where autograd cannot.
        """
        if self._backward is None:
            self._backward = step_backward(self._tensors, self._functions, self._leaves)
        return self._backward

    @property
    def has_packed(self) -> bool:
        """Whether a tensor is packed by a hook, which backward would have to call."""
        return any(s.state == "packed" for node in self.nodes for s in node.saved)

    def svg(self, *, opened: bool | None = None) -> str:
        """Draw it as a picture, in the colours of the tutorial.

        Blue is a tensor that gets a gradient, gray an operation, green the one that
        backward starts from, dashed what has no gradient.

        Args:
            opened: Whether modules are drawn with what is in them; by default where
                all of it has at most 100 boxes.
        """
        return svg.draw(self, opened=opened)

    def html(self, *, gradients: bool | None = None, title: str = "") -> str:
        """Give a page in one file, which asks for nothing: zoom, search, step backward.

        Args:
            gradients: Whether :meth:`gradients` is run for the page; by default unless
                a tensor is packed, as then forwards would run again.
            title: Of the window.
        """
        wanted = not self.has_packed if gradients is None else gradients
        return html.draw(self, self.gradients() if wanted else None, title=title)

    def dot(self) -> str:
        """Write it in Graphviz's language, for those who have that program."""
        return dot.draw(self)

    def text(self) -> str:
        """Draw it with letters, for a terminal."""
        return text.draw(self)

    def to_dict(self) -> dict[str, Any]:
        """Give nodes, arrows and groups as JSON has them."""
        return {
            "nodes": [node.to_dict() for node in self.nodes],
            "arrows": [[arrow.above, arrow.below] for arrow in self.arrows],
            "groups": [group.to_dict() for group in self.groups],
        }

    def save(self, path: str | Path) -> Path:
        """Write it to a file, as what its name ends in says.

        Args:
            path: Ends in ``.svg``, ``.html``, ``.dot`` or ``.txt``.

        Raises:
            ConfigError: The name ends in something else.
        """
        path = Path(path)
        draw = {
            ".svg": self.svg,
            ".html": lambda: self.html(title=printable(path.stem)),
            ".dot": self.dot,
            ".txt": self.text,
        }.get(path.suffix.lower())
        if draw is None:
            raise ConfigError(
                f"{path} ends in {path.suffix!r}.\n"
                "The end of the name says what is drawn.\n"
                "Name it .svg, .html, .dot or .txt."
            )
        path.write_text(draw(), encoding="utf-8")
        return path

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        return html.frame(self.html())


def _as_list(shape: tuple[Any, ...] | None) -> list[Any] | None:
    if shape is None:
        return None
    return [size if type(size) is int else str(size) for size in shape]
