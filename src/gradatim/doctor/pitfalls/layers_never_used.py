from gradatim.doctor.gradients import gradient_looks
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.source_code.assignments import assignment_line
from gradatim.doctor.untrained_layers import never_with_gradient
from gradatim.watching import TrainingSeen

MIN_UPDATES = 3  # chosen by hand, not measured


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
        never_any = never_with_gradient(seen)
        for model in seen.models:
            uncalled, modules = model.layers.uncalled, model.structure.modules
            if not uncalled or len(uncalled) >= len(modules) - 1:
                continue
            own = set(model.parameters.names.values())
            every = [step.gradients for step in gradient_looks(list(seen.steps))]
            looks = [look for look in every if look.norms and own & look.norms.keys()]
            if len(looks) < MIN_UPDATES:
                continue
            never = {n for k, n in model.parameters.names.items() if k in never_any}
            never.intersection_update(*(look.missing or () for look in looks))
            trained = {name.rpartition(".")[0] for name in own - never}
            without = {name.rpartition(".")[0] for name in own & never} - trained
            unused = [n for n in modules.values() if n in uncalled and n in without]
            if not unused:
                continue
            count = sum(n.rpartition(".")[0] in unused for n in never)
            yield self.finding(
                verdict=f"{model.kind} never uses {', '.join(unused[:5])}.",
                evidence=f"{len(unused)} layers not called in {model.num_calls} calls "
                f"of the model; {count} parameter tensors without a gradient at "
                f"{len(looks)} of {len(looks)} updates looked at",
                cure="call it in forward, or leave it out of __init__",
                line=assignment_line(model, unused[0]) or model.line,
            )
