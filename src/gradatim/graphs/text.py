"""A graph drawn with letters, for a terminal.

The first line is the operation that backward starts from; below are its inputs.
"""

from gradatim.graphs.graph_data import GraphData, Node
from gradatim.graphs.tensors import in_brackets

__all__ = ["draw"]


def draw(graph: GraphData) -> str:
    """Write a graph as a tree; see :meth:`Graph.text`.

    A chain of operations goes straight down; only branches are indented. A box that is
    used twice is written once; the second time, a line refers to it by its number.
    """
    above: dict[int, list[int]] = {node.number: [] for node in graph.nodes}
    is_used: set[int] = set()
    for arrow in graph.arrows:
        above[arrow.below].append(arrow.above)
        is_used.add(arrow.above)
    lines: list[str] = []
    written: set[int] = set()
    starts = [n.number for n in graph.nodes if n.kind == "output"]
    starts += [n.number for n in graph.nodes if n.number not in is_used]
    # An entry is a node, and the indent and the mark before it.
    stack = [(number, "", "") for number in reversed(starts)]
    while stack:
        number, indent, mark = stack.pop()
        node = graph.nodes[number]
        is_root = not mark and not indent and number in starts
        if number in written:
            if not is_root:
                lines.append(f"{indent}{mark}{node.name}, as above (#{number})")
            continue
        written.add(number)
        lines.append(indent + mark + _line(node))
        inner = indent + {"├─ ": "│  ", "└─ ": "   "}.get(mark, "")
        inputs = above[number]
        tensors = [n for n in inputs if not graph.nodes[n].is_operation]
        operations = [n for n in inputs if graph.nodes[n].is_operation]
        if len(operations) == 1:
            # The chain goes on without an indent, and its tensors hang beside it.
            stack.append((operations[0], inner, ""))
            stack += [(n, inner, "├─ ") for n in reversed(tensors)]
            continue
        mark = "└─ "
        for n in reversed([*tensors, *operations]):
            stack.append((n, inner, mark))
            mark = "├─ "
    return "\n".join(lines) + "\n"


def _line(node: Node) -> str:
    """Write the line of one box."""
    parts = [node.name]
    if node.shape is not None:
        parts.append(in_brackets(node.shape))
    if node.is_operation:
        parts.append(f"#{node.number}")
    parts += {
        "output": ["  backward starts here"],
        "operation": [],
        "data": ["  no gradient"],
    }.get(node.kind, [f"  {node.kind}"])
    if node.line:
        parts.append(f"  {node.line}")
    return " ".join(parts)
