"""The class ``Graph``: the data of a graph, and the methods that users call on it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor
from torch.autograd.graph import Node as Function

from gradatim.errors import ConfigError
from gradatim.graphs import dot, html, svg, text
from gradatim.graphs.gradients import Backward, step_backward
from gradatim.graphs.graph_data import Arrow, GraphData, Group, Node
from gradatim.store.output import write_output
from gradatim.text import printable

__all__ = ["Graph"]


class Graph(GraphData):
    """The autograd graph of a tensor; made by :func:`graph`.

    A graph holds its tensor, and so keeps alive all that backward needs.

    Attributes:
        nodes: The boxes; each stands after the boxes above it.
        arrows: In the order of the boxes they lead to, and of those boxes' arguments.
        groups: The calls of modules; each stands after the call it happened in.
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
        super().__init__(list(nodes), list(arrows), list(groups))
        self._tensors = list(tensors)
        self._functions = dict(functions or {})
        self._leaves = dict(leaves or {})
        self._backward: Backward | None = None

    def gradients(self) -> Backward:
        """Find the gradient at each node, in autograd's own order.

        ``torch.autograd.grad`` runs over the graph once, and the graph stays; no
        ``.grad`` is touched. If the tensor has several numbers, their sum is
        differentiated. Your own hooks run. Checkpointed segments run their forwards
        again.

        Returns:
            The steps of backward. Where autograd fails, there are no steps, and
            ``why_not`` says why.
        """
        if self._backward is None:
            self._backward = step_backward(self._tensors, self._functions, self._leaves)
        return self._backward

    def svg(self, *, opened: bool | None = None) -> str:
        """Draw the graph as a picture, in the colours of the tutorial.

        A tensor that gets a gradient is blue, an operation gray, the operation that
        backward starts from green. What has no gradient is dashed.

        Args:
            opened: Whether modules are drawn with what is in them. By default they
                are opened from the outside in, up to 100 boxes in all.
        """
        return svg.draw(self, opened=opened)

    def html(self, *, gradients: bool | None = None, title: str = "") -> str:
        """Write a page in one file that asks for nothing: zoom, search, step backward.

        Args:
            gradients: Whether :meth:`gradients` runs for the page. By default it runs
                unless a tensor is packed, because then forwards would run again.
            title: The title of the window.
        """
        wanted = not self.has_packed if gradients is None else gradients
        return html.draw(self, self.gradients() if wanted else None, title=title)

    def dot(self) -> str:
        """Write the graph in Graphviz's language, for those who have that program."""
        return dot.draw(self)

    def text(self) -> str:
        """Draw the graph with letters, for a terminal."""
        return text.draw(self)

    def save(self, path: str | Path) -> Path:
        """Write the graph to a file; the end of its name says what is drawn.

        Args:
            path: Ends in ``.svg``, ``.html``, ``.dot`` or ``.txt``.

        Raises:
            ConfigError: The name ends in something else.
            DiskError: The file cannot be written; one that was there stays.
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
        write_output(path, draw())
        return path

    def _repr_svg_(self) -> str:
        return self.svg()

    def _repr_html_(self) -> str:
        return html.frame(self.html())
