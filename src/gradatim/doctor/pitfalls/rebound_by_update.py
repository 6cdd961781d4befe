import ast

from gradatim.doctor.gradients import have_moved, reached_leaves
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import first_backward_line
from gradatim.doctor.source_code.syntax import nodes_around, nodes_in
from gradatim.watching import SourceLine, TrainingSeen

MIN_LOOKS = 5  # chosen by hand, not measured


class ReboundByUpdate(Pitfall):
    """An update by hand makes a new tensor and leaves the parameter as it was.

    What it sees:
        No optimizer; backwards reach leaves that never move; and a line that assigns
        ``p = p - lr * p.grad``.

    Why it matters:
        ``p`` is a new tensor, in a loop over parameters thrown away at once: 1,000
        updates change 0 weights. Outside such a loop the next ``.grad`` is None.

    Example::

        for p in model.parameters():
            p = p - lr * p.grad

    Instead::

        with torch.no_grad():
            for p in model.parameters():
                p -= lr * p.grad

    Source: Stack Overflow 54064934 and 53503234; the tutorial, "Parameters".
    """

    code = "GT111"
    title = "name rebound by the update"
    severity = "error"
    hides = ("GT101", "GT110")

    def find(self, seen: TrainingSeen) -> Findings:
        if seen.num_steps or seen.error is not None:
            return
        several = [looks for looks in reached_leaves(seen).values() if len(looks) > 1]
        still = [s for s in several if len(s) >= MIN_LOOKS and not have_moved(s)]
        line = first_backward_line(seen)
        if not still or len(still) < len(several) or line is None:
            return
        for node in nodes_around(line, ast.Assign):
            name = _updated_by_gradient(node)
            if name is None:
                continue
            yield self.finding(
                verdict=f"{name} = ... makes a new tensor: the parameter itself "
                "is not updated.",
                evidence=f"{len(still)} parameters were the same at "
                f"{len(still[0])} looks, over {seen.backwards.count} backwards",
                cure=f"with torch.no_grad(): {name} -= lr * {name}.grad",
                line=SourceLine(line.file, node.lineno, line.function),
            )


def _updated_by_gradient(node: ast.Assign) -> str | None:
    """Give the name of ``name = name - ... name.grad ...``."""
    match node:
        case ast.Assign([ast.Name(name)], ast.BinOp(ast.Name(left), operator, right)):
            is_update = left == name and isinstance(operator, (ast.Sub, ast.Add))
            gradients = [ast.unparse(part) for part in nodes_in(right, ast.Attribute)]
            return name if is_update and f"{name}.grad" in gradients else None
    return None
