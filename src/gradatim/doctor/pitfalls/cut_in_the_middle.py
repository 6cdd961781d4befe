"""GT108: parameters that are used and never get a gradient."""

import ast
from collections.abc import Iterator

from gradatim.doctor.movement import followed, nodes_in, told
from gradatim.doctor.pitfall import Finding, Pitfall
from gradatim.doctor.reading import held
from gradatim.watching.lines import Line
from gradatim.watching.seen import ModelSeen, Seen

__all__ = ["CutInTheMiddle"]

ENOUGH = 5
CUTS = ("detach", "data", "numpy", "item", "tolist", "argmax", "no_grad")


class CutInTheMiddle(Pitfall):
    """The graph is cut inside the model: layers before the cut get no gradient.

    What it sees:
        Layers that forward calls, that ask for gradients and that an optimizer holds,
        but that no backward reaches, while it reaches others of the same model.

    Why it matters:
        The part before a ``detach``, a ``torch.no_grad()`` or an ``argmax`` keeps its
        random first weights; what comes after can only make the best of them.

    Example::

        h = self.encoder(x).detach()
        return self.head(h)

    Instead::

        h = self.encoder(x)
        return self.head(h)

    Source: PyTorch issue search, "detach" in forward; Stack Overflow 53128752.
    """

    code = "GT108"
    title = "gradient cut inside the model"
    severity = "error"
    hides = ("GT203",)

    def find(self, seen: Seen) -> Iterator[Finding]:
        inside = held(seen)
        looks = [b for b in followed(seen) if b.leaves]
        for number, model in enumerate(seen.models):
            own = [b for b in looks if (b.leaves or {}).keys() & model.names.keys()]
            if len(own) < ENOUGH:
                continue
            got = {key for b in looks for key in b.leaves or {}}
            without = _without(model, got, inside)
            if not without:
                continue
            forward = next(
                (f for f in seen.forwards if f.model == number and f.used), None
            )
            where = _cut(model, forward.line if forward else None)
            yield self.finding(
                verdict=f"{told(without)} of {model.kind} "
                f"{'is' if len(without) == 1 else 'are'} used, and no gradient comes "
                "back.",
                evidence=f"{len(own)} backwards looked at reach "
                f"{len(got & model.names.keys())} of {model.num_parameters} "
                f"parameters, and none of {len(without)} called layers",
                cure="take away what cuts the graph after them: detach, .data, "
                "torch.no_grad, argmax; or requires_grad_(False) where that is meant",
                line=where,
            )
            return


def _without(model: ModelSeen, got: set[int], inside: set[int]) -> list[str]:
    """Name called layers whose own parameters are trained in vain."""
    found = []
    for layer in model.called:
        start = f"{layer}."
        own = [
            key
            for key, name in model.names.items()
            if name.startswith(start)
            and "." not in name[len(start) :]
            and name in model.trainable
        ]
        if own and all(key in inside and key not in got for key in own):
            found.append(layer)
    return found


def _cut(model: ModelSeen, line: Line | None) -> Line | None:
    """Find what cuts, where the file of the model has one such line in a forward."""
    file = next((each.file for each in model.places.values()), None)
    if file is None:
        file = line.file if line else None
    if file is None:
        return line
    cuts = set()
    for function in nodes_in(Line(file, 0)):
        if isinstance(function, ast.FunctionDef) and function.name == "forward":
            for node in ast.walk(function):
                if isinstance(node, ast.Attribute) and node.attr in CUTS:
                    cuts.add(node.lineno)
    return Line(file, cuts.pop(), "forward") if len(cuts) == 1 else line
