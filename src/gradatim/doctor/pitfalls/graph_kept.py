import ast
from itertools import pairwise

from gradatim.doctor.pitfall import Finding, Findings, Pitfall
from gradatim.doctor.source_code.syntax import nodes_around
from gradatim.watching import BackwardSeen, SourceLine, TrainingSeen

SHARE = 0.7
FIRST = 20


class GraphKept(Pitfall):
    """Each step's graph stays in memory, or is joined to the one before.

    What it sees:
        Of the losses of 20 and more updates most still have their graph alive; or each
        backward goes through more operations than the one before.

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
        yield from self._joined(seen) or self._kept(seen)

    def _kept(self, seen: TrainingSeen) -> list[Finding]:
        bad = [(n, k) for n, k in seen.graphs_kept if n >= FIRST and k >= SHARE * n]
        if not bad:
            return []
        steps, kept = bad[-1]
        backward = next((b for b in seen.backwards if b.line), None)
        line, name = _where(backward)
        name = name or "loss"
        finding = self.finding(
            verdict="Losses are kept together with their graphs.",
            evidence=f"after {steps} updates {kept} graphs of earlier losses are alive",
            cure=f"{name}.item() for a number, or {name}.detach()",
            line=line,
        )
        return [finding]

    def _joined(self, seen: TrainingSeen) -> list[Finding]:
        looks: dict[int, BackwardSeen] = {}
        for number, each in enumerate(seen.backwards):
            if each.num_nodes is not None and each.retain_graph:
                looks[number] = each
        counts = [(step, each.num_nodes or 0) for step, each in looks.items()]
        if len(counts) < 5 or any(
            later[1] <= before[1] for before, later in pairwise(counts)
        ):
            return []
        (start, small), (end, large) = counts[0], counts[-1]
        per_step = (counts[1][1] - small) / max(1, counts[1][0] - start)
        if large < 3 * small or large - small < 0.5 * per_step * (end - start):
            return []
        finding = self.finding(
            verdict="Each backward goes through the graphs of all steps before.",
            evidence=f"{small:,} operations in backward {start + 1}, {large:,} in "
            f"{end + 1}",
            cure="detach what is carried from step to step: hidden = hidden.detach(), "
            "total += loss.item(); retain_graph=True is not needed then",
            line=next(iter(looks.values())).line,
        )
        return [finding]


def _where(backward: BackwardSeen | None) -> tuple[SourceLine | None, str]:
    """Find the line that keeps a loss: ``total += loss``, ``losses.append(loss)``."""
    line = backward.line if backward else None
    names = {
        node.func.value.id
        for node in nodes_around(line)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "backward"
        and isinstance(node.func.value, ast.Name)
    }
    for node in nodes_around(line):
        if not isinstance(node, (ast.stmt, ast.expr)):
            continue
        given: list[ast.expr] = []
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add):
            given = [node.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            given = node.args if node.func.attr == "append" else []
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.BinOp):
            given = [node.value.right, node.value.left]
            target = node.targets[0]
            if not isinstance(target, ast.Name) or target.id in names:
                continue
            if not isinstance(node.value.op, ast.Add):
                continue
        for value in given:
            for each in (value, *getattr(value, "elts", ())):
                if isinstance(each, ast.BinOp):
                    each = each.left
                if isinstance(each, ast.Name) and each.id in names and line:
                    return SourceLine(line.file, node.lineno, line.function), each.id
    return line, next(iter(names), "")
