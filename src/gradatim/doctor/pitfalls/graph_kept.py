import ast
from itertools import pairwise

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import first_backward_line
from gradatim.doctor.source_code.syntax import called_method, nodes_around
from gradatim.watching import SourceLine, TrainingSeen

MIN_UPDATES = 20  # chosen by hand, not measured
MIN_SHARE_OF_LOSSES = 0.7  # whose graph is alive; chosen by hand, not measured
MIN_BACKWARDS = 5  # chosen by hand, not measured
MIN_GROWTH = 3  # times the first graph; chosen by hand, not measured
MIN_SHARE_OF_GROWTH = 0.5  # of what the first two predict; chosen by hand, not measured


class GraphKept(Pitfall):
    """Each step's graph stays in memory, or is joined to the one before.

    What it sees:
        After 20 updates or more, most of their losses still have their graph in memory;
        or each backward goes through more operations than the one before.

    Why it matters:
        A kept loss holds its graph, and in some models its activations. Memory grows
        with each step; where steps are joined, time does too: step 1,000 goes back
        through 1,000 steps.

    Example::

        total += loss
        losses.append(loss)

    Instead::

        total += loss.item()
        losses.append(loss.item())

    Source: the PyTorch FAQ, "My model reports cuda runtime error(2): out of memory".
    """

    code = "GT104"
    title = "graph kept from step to step"

    def find(self, seen: TrainingSeen) -> Findings:
        yield from self._joined(seen)
        for num_updates, num_kept in reversed(seen.graphs_kept):
            if (
                num_updates < MIN_UPDATES
                or num_kept < MIN_SHARE_OF_LOSSES * num_updates
            ):
                continue
            line, name = _line_that_keeps(first_backward_line(seen))
            yield self.finding(
                verdict="Losses are kept together with their graphs.",
                evidence=f"after {num_updates} updates {num_kept} graphs of earlier "
                "losses are alive",
                cure=f"{name}.item() for a number, or {name}.detach()",
                line=line,
            )

    def _joined(self, seen: TrainingSeen) -> Findings:
        """Find graphs that grow from backward to backward."""
        looks = [
            (number, backward.num_nodes, backward.line)
            for number, backward in enumerate(seen.backwards)
            if backward.num_nodes is not None and backward.retain_graph
        ]
        grows = all(before[1] < after[1] for before, after in pairwise(looks))
        if len(looks) < MIN_BACKWARDS or not grows:
            return
        (start, small, line), (second, larger, _) = looks[:2]
        end, large, _ = looks[-1]
        per_backward = (larger - small) / max(1, second - start)
        predicted = per_backward * (end - start)
        if (
            large < MIN_GROWTH * small
            or large - small < MIN_SHARE_OF_GROWTH * predicted
        ):
            return
        yield self.finding(
            verdict="Each backward goes through the graphs of all steps before.",
            evidence=f"{small:,} operations in backward {start + 1}, {large:,} in "
            f"{end + 1}",
            cure="detach what is carried from step to step: hidden = hidden.detach(), "
            "total += loss.item(); retain_graph=True is not needed then",
            line=line,
        )


def _line_that_keeps(backward: SourceLine | None) -> tuple[SourceLine | None, str]:
    """Find the line that keeps a loss: ``total += loss``, ``losses.append(loss)``.

    Returns:
        The line, else that of the ``backward``, and the name of the loss.
    """
    losses = {
        node.func.value.id
        for node in nodes_around(backward)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "backward"
        and isinstance(node.func.value, ast.Name)
    }
    for node in nodes_around(backward):
        for value in _kept_values(node, losses):
            for part in (value, *getattr(value, "elts", ())):
                name = part.left if isinstance(part, ast.BinOp) else part
                if isinstance(name, ast.Name) and name.id in losses and backward:
                    number = getattr(node, "lineno", 0)
                    return (
                        SourceLine(backward.file, number, backward.function),
                        name.id,
                    )
    return backward, next(iter(losses), "loss")


def _kept_values(node: ast.AST, losses: set[str]) -> list[ast.expr]:
    """Give what is kept by ``+=``, ``append`` or ``total = total + ...``."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
        return [node.value]
    if isinstance(node, ast.Call) and called_method(node) == "append":
        return node.args
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp):
        target, value = node.targets[0], node.value
        is_total = isinstance(target, ast.Name) and target.id not in losses
        is_sum = isinstance(value.op, ast.Add)
        return [value.right, value.left] if is_total and is_sum else []
    return []
