import ast
from collections import Counter
from functools import lru_cache

from gradatim.doctor.gradients import (
    backwards_with_leaves,
    have_moved,
    reached_leaves,
)
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import optimized_parameters, optimizers_of
from gradatim.doctor.source_code.assignments import assignment_line
from gradatim.doctor.source_code.syntax import nodes_of
from gradatim.watching import SourceLine, TrainingSeen

ENOUGH = 3
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
        known = optimized_parameters(seen)
        for model in seen.models:
            for kind, (times, line) in model.unregistered.made_anew.items():
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
            loose = [
                name
                for name, key in model.unregistered.leaves.items()
                if key not in known
            ]
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
        yield from self._made_in_forward(seen)
        yield from self._of_no_module(seen)

    def _made_in_forward(self, seen: TrainingSeen) -> Findings:
        """Find parameters that are new at each backward, and made in a forward."""
        known = optimized_parameters(seen) | _lasting(seen)
        looks = [b.leaves for b in backwards_with_leaves(seen) if b.leaves]
        new = [
            leaves
            for leaves in looks
            if any(
                leaf.is_parameter and not leaf.old_grad and key not in known
                for key, leaf in leaves.items()
            )
        ]
        if len(new) < ENOUGH or len(new) < len(looks):
            return
        for model in seen.models:
            for file in sorted(
                {place.file for place in model.structure.init_lines.values()}
            ):
                for number in made_in_forward(file):
                    yield self.finding(
                        verdict=f"Each forward of {model.kind} makes a new parameter: "
                        "its numbers are other ones each time, and no optimizer has "
                        "it.",
                        evidence=f"a parameter that no optimizer holds, without a "
                        f"gradient of before, at {len(new)} of {len(looks)} backwards "
                        "looked at",
                        cure="make it in __init__: self.weight = nn.Parameter(...)",
                        line=SourceLine(file, number, "forward"),
                    )
                    return

    def _of_no_module(self, seen: TrainingSeen) -> Findings:
        known = optimized_parameters(seen) | seen.names().keys()
        looks = backwards_with_leaves(seen)
        names = {key: name for b in looks for key, name in b.loose.items()}
        leaves = reached_leaves(seen)
        for key, name in names.items():
            own = leaves[key]
            stays = len(own) >= ENOUGH and not have_moved(own) and key not in known
            if not stays or not all(look.old_grad for look in own[1:]):
                continue
            # Before what is trained it may be of a body that is meant to stay.
            if any(look.feeds or not look.is_parameter for look in own):
                continue
            beside = [b for b in looks if b.leaves and key in b.leaves]
            if not all(
                (b.leaves or {}).keys() & optimized_parameters(seen) for b in beside
            ):
                continue
            about = next((o for o in seen.optimizers if o.num_steps), None)
            yield self.finding(
                verdict=f"{name} is a parameter that no optimizer has: it gets "
                "gradients and never moves.",
                evidence=f"its numbers were the same at {len(own)} looks, the norm of "
                f"its gradient has grown to {own[-1].old_grad:.3g}",
                cure=f"give it to the optimizer: [*model.parameters(), {name}]",
                line=about.line if about else None,
            )
            return


@lru_cache(maxsize=64)
def made_in_forward(file: str) -> tuple[int, ...]:
    """Find ``nn.Parameter(torch.randn(...))`` in forward, under no condition."""
    found = []
    for function in nodes_of(file):
        if not isinstance(function, ast.FunctionDef) or function.name != "forward":
            continue
        for statement in function.body:
            if not isinstance(statement, (ast.Assign, ast.AnnAssign, ast.Return)):
                continue
            for node in ast.walk(statement):
                if (
                    isinstance(node, ast.Call)
                    and ast.unparse(node.func).rpartition(".")[2] == "Parameter"
                    and node.args
                    and any(
                        isinstance(each, ast.Call)
                        and ast.unparse(each.func).removeprefix("torch.") in DRAWN
                        for each in ast.walk(node.args[0])
                    )
                ):
                    found.append(node.lineno)
    return tuple(found)


def _lasting(seen: TrainingSeen) -> set[int]:
    """Give the parameters of models, without those that come and go."""
    found: set[int] = set()
    for model in seen.models:
        times = Counter(model.parameters.names.values())
        found |= {
            key for key, name in model.parameters.names.items() if times[name] < ENOUGH
        }
    return found
