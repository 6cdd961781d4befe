import ast
from collections import Counter
from functools import lru_cache

from gradatim.doctor.gradients import (
    backwards_with_leaves,
    have_moved,
    leaves_at_looks,
    reached_leaves,
)
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import optimized_parameters, optimizers_of
from gradatim.doctor.source_code.assignments import assignment_line
from gradatim.doctor.source_code.syntax import last_name, nodes_in, nodes_of
from gradatim.watching import SourceLine, TrainingSeen

MIN_LOOKS = 3  # chosen by hand, not measured
MIN_CALLS = 3  # chosen by hand, not measured
DRAWN = ("empty", "full", "normal", "ones", "rand", "randn", "zeros", "Tensor")


class LooseParameters(Pitfall):
    """A tensor that is to be trained is neither a parameter nor in the optimizer.

    What it sees:
        An attribute of a module, or an entry of a list or dict of it, that asks for a
        gradient, is not registered, and is in no optimizer, while the module's other
        parameters are; or a layer, or a parameter, that each call of ``forward`` makes
        anew; or an ``nn.Parameter`` of no module that the loss is computed with, that
        no optimizer holds, and whose gradients pile up.

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
    max_findings = 2
    hides = ("GT201",)

    def find(self, seen: TrainingSeen) -> Findings:
        held = optimized_parameters(seen)
        for model in seen.models:
            for kind, (num_made, line) in model.unregistered.made_anew.items():
                if num_made >= MIN_CALLS:
                    yield self.finding(
                        verdict=f"Each call of {model.kind} makes a new {kind}: its "
                        "parameters are random each time.",
                        evidence=f"{num_made} of them in the first {model.num_calls} "
                        "calls, each gone after its call",
                        cure=f"make it in __init__: self.layer = nn.{kind}(...)",
                        line=line,
                    )
                    return
            leaves = model.unregistered.leaves.items()
            loose = [name for name, key in leaves if key not in held]
            if not loose or not optimizers_of(seen, model):
                continue
            attribute = loose[0].partition("[")[0].rpartition(".")[2]
            yield self.finding(
                verdict=f"self.{attribute} asks for a gradient, but {model.kind} does "
                "not know it as a parameter: no optimizer has it.",
                evidence=f"{len(loose)} tensors ({', '.join(loose[:3])}) in 0 of "
                f"{len(seen.optimizers)} optimizers, {model.parameters.num_tensors} "
                "parameters are registered",
                cure=f"self.{attribute} = nn.Parameter(...), or nn.ParameterList",
                line=assignment_line(model, loose[0]) or model.line,
            )
            return
        yield from self._made_in_forward(seen, held)
        yield from self._of_no_module(seen, held)

    def _made_in_forward(self, seen: TrainingSeen, held: set[int]) -> Findings:
        """Find parameters that are new at each backward, and made in a forward."""
        known = set(held)
        for model in seen.models:
            # A parameter that comes and goes has another identity each time.
            identities = Counter(model.parameters.names.values())
            lasting = {name for name, count in identities.items() if count < MIN_LOOKS}
            known |= {k for k, n in model.parameters.names.items() if n in lasting}
        looks = leaves_at_looks(seen)
        new = [[look[key] for key in look.keys() - known] for look in looks]
        num_new = sum(
            any(leaf.is_parameter and not leaf.old_grad for leaf in look)
            for look in new
        )
        if num_new < MIN_LOOKS or num_new < len(looks):
            return
        for model in seen.models:
            files = {line.file for line in model.structure.init_lines.values()}
            for file in sorted(files):
                for number in made_in_forward(file):
                    yield self.finding(
                        verdict=f"Each forward of {model.kind} makes a new parameter: "
                        "its numbers are other ones each time, and no optimizer has "
                        "it.",
                        evidence=f"a parameter that no optimizer holds, without a "
                        f"gradient of before, at {num_new} of {len(looks)} backwards "
                        "looked at",
                        cure="make it in __init__: self.weight = nn.Parameter(...)",
                        line=SourceLine(file, number, "forward"),
                    )
                    return

    def _of_no_module(self, seen: TrainingSeen, held: set[int]) -> Findings:
        """Find a parameter of no module whose gradients pile up."""
        known = held | seen.names().keys()
        looks = backwards_with_leaves(seen)
        leaves = reached_leaves(seen)
        for key, name in {k: n for b in looks for k, n in b.loose.items()}.items():
            own = leaves[key]
            if key in known or len(own) < MIN_LOOKS or have_moved(own):
                continue
            if not all(look.old_grad for look in own[1:]):
                continue
            # One before the trained part may be of a body that is meant to stay.
            if any(look.feeds or not look.is_parameter for look in own):
                continue
            beside = [b.leaves for b in looks if b.leaves and key in b.leaves]
            if not all(keys.keys() & held for keys in beside):
                continue
            yield self.finding(
                verdict=f"{name} is a parameter that no optimizer has: it gets "
                "gradients and never moves.",
                evidence=f"its numbers were the same at {len(own)} looks, the norm of "
                f"its gradient has grown to {own[-1].old_grad:.3g}",
                cure=f"give it to the optimizer: [*model.parameters(), {name}]",
                line=next((o.line for o in seen.optimizers if o.num_steps), None),
            )
            return


@lru_cache(maxsize=64)
def made_in_forward(file: str) -> tuple[int, ...]:
    """Find ``nn.Parameter(torch.randn(...))`` in forward, under no condition."""
    lines = []
    for function in nodes_of(file, ast.FunctionDef):
        for statement in function.body if function.name == "forward" else ():
            if isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Return)):
                lines += [
                    call.lineno
                    for call in nodes_in(statement, ast.Call)
                    if last_name(call.func) == "Parameter"
                    and call.args
                    and any(map(_is_drawn, nodes_in(call.args[0], ast.Call)))
                ]
    return tuple(lines)


def _is_drawn(call: ast.Call) -> bool:
    return ast.unparse(call.func).removeprefix("torch.") in DRAWN
