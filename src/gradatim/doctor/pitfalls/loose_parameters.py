"""GT607: parameters that the module does not know."""

from collections.abc import Iterator

from gradatim.doctor.pitfall import Finding, Pitfall
from gradatim.doctor.reading import assignment_line, held, optimizers_of
from gradatim.watching.seen import Seen

__all__ = ["LooseParameters"]

ENOUGH = 3


class LooseParameters(Pitfall):
    """A tensor that is to be trained is neither a parameter nor in the optimizer.

    What it sees:
        An attribute of a module, or an entry of a list or dict of it, that asks for a
        gradient, is not registered, and is in no optimizer, while the module's other
        parameters are; or a layer with parameters that each call of ``forward`` makes
        anew.

    Why it matters:
        It keeps its first random numbers: 0 updates change it, ``.to(device)`` does
        not move it, ``state_dict`` does not save it.

    Example::

        self.scale = torch.ones(3, requires_grad=True)

    Instead::

        self.scale = nn.Parameter(torch.ones(3))

    Source: the documentation of ``torch.nn.parameter.Parameter``; PyTorch issue 1291.
    """

    code = "GT607"
    title = "parameter not registered"
    severity = "error"
    hides = ("GT201",)

    def find(self, seen: Seen) -> Iterator[Finding]:
        known = held(seen)
        for model in seen.models:
            for kind, (times, line) in model.fresh.items():
                if times >= ENOUGH:
                    yield self.finding(
                        verdict=f"Each call of {model.kind} makes a new {kind}: its "
                        "parameters are random each time.",
                        evidence=f"{times} of them in the first {model.num_calls} "
                        "calls, each gone after its call",
                        cure=f"make it in __init__: self.layer = nn.{kind}(...)",
                        line=line,
                    )
                    return
            loose = [name for name, key in model.loose.items() if key not in known]
            if not loose or not optimizers_of(seen, model):
                continue
            attribute = loose[0].partition("[")[0].rpartition(".")[2]
            yield self.finding(
                verdict=f"self.{attribute} asks for a gradient, but {model.kind} does "
                "not know it as a parameter: no optimizer has it.",
                evidence=f"{len(loose)} tensors ({', '.join(loose[:3])}) in 0 of "
                f"{len(seen.optimizers)} optimizers, {model.num_parameters} parameters "
                "are registered",
                cure=f"self.{attribute} = nn.Parameter(...), or nn.ParameterList",
                line=assignment_line(model, loose[0]) or model.line,
            )
            return
