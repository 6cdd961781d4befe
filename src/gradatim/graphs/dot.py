"""A graph in Graphviz's language, for those who have that program."""

from gradatim.graphs.graph_data import GraphData
from gradatim.graphs.picture import label

__all__ = ["draw"]

COLORS = {
    "parameter": "lightblue",
    "input": "lightblue",
    "output": "darkolivegreen1",
    "operation": "gray90",
    "data": "white",
}


def draw(graph: GraphData) -> str:
    """Write a graph, with its modules as clusters; see :meth:`Graph.dot`."""
    lines = ["digraph {", '  node [shape=box, style=filled, fontname="Courier"];']
    inner: dict[int | None, list[int]] = {}
    for group in graph.groups:
        inner.setdefault(group.parent, []).append(group.number)
    nodes: dict[int | None, list[str]] = {}
    for node in graph.nodes:
        style = ', style="filled,dashed"' if node.kind == "data" else ""
        # A label must not begin with the end of a line: Graphviz in WebAssembly fails.
        text = "\\n".join(_quoted(part) for part in label(graph, node) if part) or " "
        nodes.setdefault(node.group, []).append(
            f'n{node.number} [label="{text}", fillcolor={COLORS[node.kind]}{style}];'
        )
    # Without recursion, because modules may be nested deeply. An entry is a module,
    # its depth, and whether all that is in it has been written.
    stack: list[tuple[int | None, int, bool]] = [(None, 0, False)]
    while stack:
        number, depth, is_written = stack.pop()
        indent = "  " * (depth + 1)
        if is_written:
            lines.append("  " * depth + "}")
            continue
        if number is not None:
            lines.append("  " * depth + f"subgraph cluster_{number} {{")
            title = _quoted(graph.groups[number].title)
            lines.append(f'{indent}label="{title}"; fontname="Courier";')
            stack.append((number, depth, True))
        lines += [indent + text for text in nodes.get(number, [])]
        stack += [
            (other, depth + 1, False) for other in reversed(inner.get(number, []))
        ]
    lines += [f"  n{arrow.above} -> n{arrow.below};" for arrow in graph.arrows]
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    r"""Write a text for a place between quotes, where backslashes have a meaning.

    >>> print(_quoted('a "b" c'))
    a \"b\" c
    """
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
