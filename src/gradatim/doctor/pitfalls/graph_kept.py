import ast
from itertools import pairwise

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import first_backward_line
from gradatim.doctor.source_code.syntax import nodes_around
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
            least = MIN_SHARE_OF_LOSSES * num_updates
            if num_updates < MIN_UPDATES or num_kept < least:
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
        kept = [(n, b) for n, b in enumerate(seen.backwards) if b.retain_graph]
        looks = [(n, b.num_nodes, b.line) for n, b in kept if b.num_nodes is not None]
        grows = all(before[1] < after[1] for before, after in pairwise(looks))
        if len(looks) < MIN_BACKWARDS or not grows:
            return
        (start, small, line), (second, larger, _) = looks[:2]
        end, large, _ = looks[-1]
        per_backward = (larger - small) / max(1, second - start)
        predicted = per_backward * (end - start)
        grows_less = large - small < MIN_SHARE_OF_GROWTH * predicted
        if large < MIN_GROWTH * small or grows_less:
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
    losses = set()
    for call in nodes_around(backward, ast.Call):
        match call.func:
            case ast.Attribute(ast.Name(name), "backward"):
                losses.add(name)
    for node in nodes_around(backward, ast.AST):
        for value in _kept_values(node, losses):
            for part in (value, *getattr(value, "elts", ())):
                kept = part.left if isinstance(part, ast.BinOp) else part
                if isinstance(kept, ast.Name) and kept.id in losses and backward:
                    number = getattr(node, "lineno", 0)
                    return SourceLine(backward.file, number, backward.function), kept.id
    return backward, next(iter(losses), "loss")


def _kept_values(node: ast.AST, losses: set[str]) -> list[ast.expr]:
    """Give what is kept by ``+=``, ``append`` or ``total = total + ...``."""
    match node:
        case ast.AugAssign(op=ast.Add(), value=value):
            return [value]
        case ast.Call(ast.Attribute(attr="append"), arguments):
            return arguments
        case ast.Assign([ast.Name(total), *_], ast.BinOp(left, ast.Add(), right)):
            return [] if total in losses else [right, left]
    return []
