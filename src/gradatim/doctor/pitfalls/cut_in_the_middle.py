import ast

from gradatim.doctor.gradients import leaves_at_looks
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import forwards_of, trained_line_of
from gradatim.doctor.source_code.syntax import nodes_around
from gradatim.doctor.untrained_layers import (
    cuts_graph,
    graph_cuts,
    layers_without_gradient,
    never_with_gradient,
)
from gradatim.text import listed
from gradatim.watching import SourceLine, TrainingSeen

MIN_CALLS = 5  # chosen by hand, not measured


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

    def find(self, seen: TrainingSeen) -> Findings:
        looks = leaves_at_looks(seen)
        reached = {key for leaves in looks for key in leaves}
        for number, model in enumerate(seen.models):
            layers = layers_without_gradient(seen, model)
            if not layers:
                continue
            own = model.parameters.names.keys()
            cuts = graph_cuts(seen, model)
            yield self.finding(
                verdict=f"{listed(layers, quoted=False)} of {model.kind} "
                f"{'is' if len(layers) == 1 else 'are'} used, and no gradient comes "
                "back.",
                evidence=f"{sum(bool(leaves.keys() & own) for leaves in looks)} "
                f"backwards looked at reach {len(reached & own)} of "
                f"{model.parameters.num_tensors} parameters, and none of "
                f"{len(layers)} called layers",
                cure="take away what cuts the graph after them: detach, .data, "
                "torch.no_grad, argmax; or requires_grad_(False) where that is meant",
                line=cuts[0] if len(cuts) == 1 else trained_line_of(seen, number),
            )
        yield from self._models(seen)

    def _models(self, seen: TrainingSeen) -> Findings:
        """Find a model whose output another model is given without its graph."""
        never = never_with_gradient(seen)
        for number, model in enumerate(seen.models):
            forwards = forwards_of(seen, number)
            orders = {f.order for f in forwards if f.training}
            takers = [f for f in seen.forwards if f.used and f.source in orders]
            keys = never & model.parameters.names.keys()
            is_used = any(f.used for f in forwards)
            if is_used or len(takers) < MIN_CALLS or not keys:
                continue
            taker = seen.models[takers[0].model]
            taken = taker.parameters.names.keys()
            updating = [o for o in seen.optimizers if o.num_steps]
            holding = [o for o in updating if keys <= set(o.parameters)]
            if not any(taken & (set(o.parameters) - o.never) for o in holding):
                continue  # no optimizer trains both of them
            yield self.finding(
                verdict=f"No gradient comes back to {model.title}: its output is cut "
                f"from its graph before {taker.title}.",
                evidence=f"it is given to the next model {len(takers)} times, and "
                f"{len(keys)} of its parameter tensors had 0 gradients in "
                f"{seen.num_steps} updates",
                cure="take away .detach(), .data or a new torch.tensor(...) between "
                "the two; or leave it out of the optimizer where that is meant",
                line=_cut_between(forwards[0].line, takers[0].line),
            )


def _cut_between(
    first: SourceLine | None, last: SourceLine | None
) -> SourceLine | None:
    """Find what cuts from one call to the next, if both are in one function."""
    if first is None or last is None or first.file != last.file:
        return last
    nodes = nodes_around(first, ast.AST)
    numbers = [getattr(node, "lineno", 0) for node in nodes if cuts_graph(node)]
    cuts = [n for n in numbers if first.number - 1 <= n <= last.number]
    return SourceLine(first.file, min(cuts), first.function) if cuts else last
