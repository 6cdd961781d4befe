from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.pitfalls.cut_in_the_middle import in_vain
from gradatim.doctor.source_code.assignments import assignment_line
from gradatim.watching import TrainingSeen

ENOUGH = 3


class LayersNeverUsed(Pitfall):
    """A layer of the model is never called, and its parameters get no gradient.

    What it sees:
        A part with parameters that ``forward`` did not call in the first updates, and
        whose parameters had no gradient at any update that was looked at.

    Why it matters:
        The model is smaller than it looks: its parameters are counted, saved and given
        to the optimizer, and 0 of them ever change. ``DistributedDataParallel`` raises.

    Example::

        self.fc1, self.fc2 = nn.Linear(4, 8), nn.Linear(8, 8)
        ...
        return self.out(F.relu(self.fc1(x)))   # fc2 is forgotten

    Instead::

        return self.out(F.relu(self.fc2(F.relu(self.fc1(x)))))

    Source: the documentation of ``DistributedDataParallel``, find_unused_parameters.
    """

    code = "GT603"
    title = "layers never used"

    def find(self, seen: TrainingSeen) -> Findings:
        looks = [s for s in seen.steps if s.gradients.missing is not None]
        for model in seen.models:
            if (
                not model.layers.uncalled
                or len(model.layers.uncalled) >= len(model.structure.modules) - 1
            ):
                continue
            own = set(model.parameters.names.values())
            mine = [
                s for s in looks if s.gradients.norms and own & s.gradients.norms.keys()
            ]
            if len(mine) < ENOUGH:
                continue
            never = set.intersection(*(set(s.gradients.missing or ()) for s in mine))
            never &= {
                n for k, n in model.parameters.names.items() if k in in_vain(seen)
            }
            unused = [
                name
                for name in model.structure.modules.values()
                if name in model.layers.uncalled
                and (parts := [n for n in own if n.rpartition(".")[0] == name])
                and never.issuperset(parts)
            ]
            if not unused:
                continue
            count = len([n for n in never if n.rpartition(".")[0] in unused])
            yield self.finding(
                verdict=f"{model.kind} never uses {', '.join(unused[:5])}.",
                evidence=f"{len(unused)} layers not called in {model.num_calls} calls "
                f"of the model; {count} parameter tensors without a gradient at "
                f"{len(mine)} of {len(mine)} updates looked at",
                cure="call it in forward, or leave it out of __init__",
                line=assignment_line(model, unused[0]) or model.line,
            )
