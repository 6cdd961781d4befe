import ast

from gradatim.doctor.gradients import backwards_with_leaves
from gradatim.doctor.pitfall import Finding, Findings, Pitfall
from gradatim.doctor.queries import forwards_of, trained_line_of
from gradatim.doctor.source_code.syntax import called_method, nodes_in, nodes_of
from gradatim.doctor.untrained_layers import (
    graph_cuts,
    layers_without_gradient,
    never_with_gradient,
)
from gradatim.text import listed
from gradatim.watching import ModelSeen, SourceLine, TrainingSeen

MIN_CALLS = 3  # chosen by hand, not measured
MIN_UPDATES = 3  # chosen by hand, not measured
MIN_SHARE_OF_CALLS = 0.5  # chosen by hand, not measured


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
            layers = layers_without_gradient(seen, model)
            if not layers or graph_cuts(seen, model):
                continue
            parts = _whole_parts(model, layers)
            starts = tuple(f"{layer}." for layer in layers)
            names = model.parameters.names.values()
            yield self._finding(
                f"what {listed(parts, quoted=False)} of {model.kind} "
                f"{'gives' if len(parts) == 1 else 'give'}",
                f"{sum(name.startswith(starts) for name in names)} of "
                f"{model.parameters.num_tensors} parameter tensors",
                seen,
                _call_line(model, parts[0]) or trained_line_of(seen, number),
            )
        yield from self._models(seen)

    def _models(self, seen: TrainingSeen) -> Findings:
        """Find a model that is called beside others, and in no loss."""
        never = never_with_gradient(seen)
        sources = {f.source for f in seen.forwards if f.used}
        for number, model in enumerate(seen.models):
            keys = never & model.parameters.names.keys()
            forwards = forwards_of(seen, number)
            called = [f for f in forwards if f.grad and f.training]
            if any(f.order in sources for f in forwards):
                continue  # the graph after it is cut: GT108
            if not keys or len(called) < MIN_CALLS:
                continue
            is_used = any(f.used for f in forwards)
            if is_used or len(called) < MIN_SHARE_OF_CALLS * len(forwards):
                continue
            updating = [o for o in seen.optimizers if o.num_steps > MIN_UPDATES]
            holding = [o for o in updating if keys <= set(o.parameters)]
            if all(len(o.never) >= len(o.parameters) for o in holding):
                continue  # none of them trains others
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


def _whole_parts(model: ModelSeen, layers: list[str]) -> list[str]:
    """Name whole parts, as ``decoder`` of ``decoder.0`` and ``decoder.2``."""
    parts: dict[str, None] = {}
    for layer in layers:
        part = layer
        while "." in part:
            outer = part.rpartition(".")[0]
            inside = {n for n in model.structure.kinds if n.startswith(f"{outer}.")}
            if outer in model.structure.init_lines or not inside <= set(layers):
                break
            part = outer
        parts[part] = None
    return list(parts)


def _call_line(model: ModelSeen, path: str) -> SourceLine | None:
    """Find where a part is called, as ``self.name(``, in the class that has it."""
    owner, _, attribute = path.rpartition(".")
    init_line = model.structure.init_lines.get(owner)
    if init_line is None:
        return None
    classes = [
        node
        for node in nodes_of(init_line.file, ast.ClassDef)
        if node.lineno <= init_line.number <= (node.end_lineno or 0)
    ]
    for call in nodes_in(classes[-1], ast.Call) if classes else ():
        if called_method(call) == attribute:
            return SourceLine(init_line.file, call.func.lineno, "forward")
    return None
