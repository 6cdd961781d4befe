import ast

from gradatim.doctor.gradients import backwards_with_leaves
from gradatim.doctor.pitfall import Finding, Findings, Pitfall
from gradatim.doctor.pitfalls.cut_in_the_middle import (
    cuts_in,
    in_vain,
    without_gradient,
)
from gradatim.doctor.source_code.syntax import nodes_of
from gradatim.text import listed
from gradatim.watching import ModelSeen, SourceLine, TrainingSeen

ENOUGH = 3


class OutputNotInLoss(Pitfall):
    """A layer is called, and the loss does not depend on what it gives.

    What it sees:
        A layer or a model that is called in each step, whose parameters an optimizer
        holds and that has no gradient at any update, while others of the same
        optimizer have; and no ``detach`` or ``no_grad`` in the model that would cut
        the graph.

    Why it matters:
        Its parameters stay at their first random numbers: 0 updates change them. A
        head that is trained in no loss answers by chance.

    Example::

        h = F.relu(self.first(x))
        h = F.relu(self.second(x))   # of x again: first is thrown away

    Instead::

        h = F.relu(self.first(x))
        h = F.relu(self.second(h))

    Source: the documentation of ``DistributedDataParallel``, find_unused_parameters.
    """

    code = "GT112"
    title = "output not in the loss"
    hides = ("GT108", "GT203", "GT403")

    def find(self, seen: TrainingSeen) -> Findings:
        for number, model in enumerate(seen.models):
            without = without_gradient(seen, model)
            if not without or cuts_in(seen, number):
                continue
            tops = _tops(model, without)
            count = sum(
                name.startswith(tuple(f"{layer}." for layer in without))
                for name in model.parameters.names.values()
            )
            forward = next(
                (f for f in seen.forwards if f.model == number and f.used), None
            )
            yield self._finding(
                f"what {listed(tops, quoted=False)} of {model.kind} "
                f"{'gives' if len(tops) == 1 else 'give'}",
                f"{count} of {model.parameters.num_tensors} parameter tensors",
                seen,
                _call_line(model, tops[0]) or (forward.line if forward else model.line),
            )
        yield from self._models(seen)

    def _models(self, seen: TrainingSeen) -> Findings:
        """Find a model that is called beside others, and in no loss."""
        never = in_vain(seen)
        for number, model in enumerate(seen.models):
            keys = never & model.parameters.names.keys()
            forwards = [f for f in seen.forwards if f.model == number]
            called = [f for f in forwards if f.grad and f.training]
            orders = {f.order for f in forwards}
            if any(f.used and f.source in orders for f in seen.forwards):
                continue  # it is cut
            if not keys or len(called) < ENOUGH:
                continue
            if any(f.used for f in forwards) or len(called) < len(forwards) / 2:
                continue
            if not any(
                keys <= set(o.parameters)
                and o.num_steps > ENOUGH
                # Others of the same optimizer are trained.
                and len(o.never) < len(o.parameters)
                for o in seen.optimizers
            ):
                continue
            yield self._finding(
                f"what {model.title} gives",
                f"all its {len(keys)} parameter tensors",
                seen,
                called[0].line or model.line,
            )

    def _finding(
        self, what: str, count: str, seen: TrainingSeen, line: SourceLine | None
    ) -> Finding:
        return self.finding(
            verdict=f"The loss does not depend on {what}: it is never trained.",
            evidence=f"{count} had no gradient in {seen.num_steps} updates; "
            f"{len(backwards_with_leaves(seen))} backwards looked at do not reach them",
            cure="use its output in what comes after it, or add its loss to the one "
            "that goes backward; leave the layer out where it is not needed",
            line=line,
        )


def _tops(model: ModelSeen, layers: list[str]) -> list[str]:
    """Name whole parts, as ``decoder`` of ``decoder.0`` and ``decoder.2``."""
    tops: dict[str, None] = {}
    for layer in layers:
        top = layer
        while "." in top:
            outer = top.rpartition(".")[0]
            inside = {n for n in model.structure.kinds if n.startswith(f"{outer}.")}
            if outer in model.structure.init_lines or not inside <= set(layers):
                break
            top = outer
        tops[top] = None
    return list(tops)


def _call_line(model: ModelSeen, path: str) -> SourceLine | None:
    """Find where a part is called, as ``self.name(``, in the class that has it."""
    owner, _, attribute = path.rpartition(".")
    place = model.structure.init_lines.get(owner)
    if place is None:
        return None
    classes = [
        node
        for node in nodes_of(place.file)
        if isinstance(node, ast.ClassDef)
        and node.lineno <= place.number <= (node.end_lineno or 0)
    ]
    for node in ast.walk(classes[-1]) if classes else ():
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr == attribute:
            return SourceLine(place.file, called.lineno, "forward")
    return None
