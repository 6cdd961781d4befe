import ast

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import optimized_parameters
from gradatim.doctor.source_code.syntax import nodes_in, nodes_of
from gradatim.watching import ModelSeen, SourceLine, TrainingSeen


class FreezingMistyped(Pitfall):
    """``model.requires_grad = False`` freezes nothing: a module has no such switch.

    What it sees:
        A module, or a parameter, with an attribute such as ``requires_grad``,
        ``require_grad`` or ``trainable`` set to False, whose parameters ask for a
        gradient all the same and are in an optimizer.

    Why it matters:
        Any attribute can be set on a module, and nothing reads this one. The body that
        was to stay is trained: all of its 11 million numbers in a ResNet-18.

    Example::

        model.body.requires_grad = False

    Instead::

        model.body.requires_grad_(False)

    Source: the documentation of ``torch.nn.Module.requires_grad_``.
    """

    code = "GT611"
    title = "attribute that freezes nothing"

    def find(self, seen: TrainingSeen) -> Findings:
        held = optimized_parameters(seen)
        for model in seen.models:
            own = {n for k, n in model.parameters.names.items() if k in held}
            for place, (attribute, count) in model.freezing.mistyped.items():
                start = f"{place}." if place else ""
                trained = {n for n in own if n == place or n.startswith(start)}
                if not trained & model.freezing.trainable:
                    continue
                part = f".{place}" if place else ""
                what = f"{place} of {model.title}" if place else model.title
                is_parameter = place in model.parameters.numels
                switch = " = False" if is_parameter else "_(False)"
                yield self.finding(
                    verdict=f"{what} has {attribute} set to False, which freezes "
                    "nothing: it is trained.",
                    evidence=f"{count} of its parameter tensors ask for a gradient, "
                    f"{len(trained)} are in the optimizer",
                    cure=f"{model.variable or 'model'}{part}.requires_grad{switch}",
                    line=_line(model, attribute) or model.line,
                )


def _line(model: ModelSeen, attribute: str) -> SourceLine | None:
    """Find where an attribute of a module is set to False.

    ``parameter.requires_grad = False`` is right, in a loop or by name, and left out.
    """
    files = {line.file for line in model.structure.made_at.values()}
    files |= {line.file for line in model.structure.init_lines.values()}
    for file in sorted(files):
        parameters = {
            name.id
            for loop in nodes_of(file, ast.AST)
            if isinstance(loop, (ast.For, ast.comprehension))
            and "parameters" in ast.unparse(loop.iter)
            for name in nodes_in(loop.target, ast.Name)
        }
        for node in nodes_of(file, ast.Assign):
            match node:
                case ast.Assign(
                    [ast.Attribute(owner, name), *_], ast.Constant(False)
                ) if name == attribute:
                    what = ast.unparse(owner)
                    is_right = what in parameters or what.endswith((".weight", ".bias"))
                    if attribute != "requires_grad" or not is_right:
                        return SourceLine(file, node.lineno)
    return None
