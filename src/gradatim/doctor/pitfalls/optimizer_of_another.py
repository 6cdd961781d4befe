from gradatim.doctor.gradients import gradient_looks, have_moved, reached_leaves
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import optimized_parameters, steps_of
from gradatim.watching import TrainingSeen

MIN_LOOKS = 3  # chosen by hand, not measured


class OptimizerOfAnother(Pitfall):
    """The optimizer steps, with none of the parameters of the model that is trained.

    What it sees:
        None of an optimizer's parameters ever has a gradient, while backwards reach
        those of a model that no optimizer holds.

    Why it matters:
        It happens when a model is made or copied anew after its optimizer. Not one
        weight moves, and the loss stays at chance: ``ln 10``, 2.30, for ten classes.

    Example::

        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        model = Net()

    Instead::

        model = Net()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    Source: the documentation of ``torch.optim``, "Constructing it".
    """

    code = "GT202"
    title = "optimizer of another model"
    severity = "error"
    hides = ("GT103", "GT201", "GT203", "GT206", "GT309")

    def find(self, seen: TrainingSeen) -> Findings:
        held, leaves = optimized_parameters(seen), reached_leaves(seen)
        for number, optimizer in enumerate(seen.optimizers):
            looks = gradient_looks(steps_of(seen, number, closures=False))
            num_missing = [len(step.gradients.missing or ()) for step in looks]
            has_gradients = min(num_missing, default=0) < len(optimizer.parameters)
            are_cleared = any(step.gradients.cleared_after_backward for step in looks)
            if len(looks) < MIN_LOOKS or has_gradients or are_cleared:
                continue
            for model in seen.models:
                keys = model.parameters.names
                own = [key for key in keys if len(leaves.get(key, ())) >= MIN_LOOKS]
                is_left_out = bool(own) and held.isdisjoint(own)
                if not is_left_out or any(have_moved(leaves[key]) for key in own):
                    continue
                yield self.finding(
                    verdict=f"The optimizer holds none of the parameters of "
                    f"{model.kind}, which is trained.",
                    evidence=f"0 of its {len(optimizer.parameters)} tensors had a "
                    f"gradient at {len(looks)} updates; {len(own)} others had one, "
                    "and did not move",
                    cure="make the optimizer after the model, of its parameters()",
                    line=optimizer.line,
                )
