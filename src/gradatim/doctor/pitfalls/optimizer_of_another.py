from gradatim.doctor.gradients import have_moved, reached_leaves
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import optimized_parameters, steps_of
from gradatim.watching import TrainingSeen

ENOUGH = 3


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
        inside, leaves = optimized_parameters(seen), reached_leaves(seen)
        for number, optimizer in enumerate(seen.optimizers):
            looks = [
                s
                for s in steps_of(seen, number)
                if s.gradients.missing is not None and not s.closure
            ]
            if len(looks) < ENOUGH or any(
                len(s.gradients.missing or ()) < len(optimizer.parameters)
                or s.gradients.cleared_after_backward
                for s in looks
            ):
                continue
            for model in seen.models:
                own = [
                    key
                    for key in model.parameters.names
                    if len(leaves.get(key, ())) >= ENOUGH
                ]
                if not own or any(k in inside or have_moved(leaves[k]) for k in own):
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
