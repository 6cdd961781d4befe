from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen

DEAD = 0.9


class DeadUnits(Pitfall):
    """Nearly all units of a ReLU layer give 0 for every row.

    What it sees:
        In the graphs of the last three updates that were looked at, nine in ten units
        of a ReLU between two layers are 0 for all rows of the batch.

    Why it matters:
        Where a ReLU gives 0 its slope is 0: such a unit gets no gradient and does not
        come back. With all 64 dead the model is the constant of its last bias.

    Example::

        nn.init.constant_(model[0].bias, -10.0)

    Instead::

        nn.init.zeros_(model[0].bias)

    Source: Lu et al. 2019, "Dying ReLU and Initialization".
    """

    code = "GT701"
    title = "dead ReLUs"
    hides = ("GT105", "GT106", "GT203", "GT309")

    def find(self, seen: TrainingSeen) -> Findings:
        looked_at = [b for b in seen.backwards if b.activations]
        if len(looked_at) < 3:
            return
        dead = [
            {a.layer: a for a in b.activations if a.kind == "Relu" and a.dead >= DEAD}
            for b in looked_at[-3:]
        ]
        layers = [each for each in dead[0] if all(each in other for other in dead)]
        wide = [name for name in layers if dead[-1][name].num_units >= 4]
        if not wide:
            return
        name, last = wide[-1], dead[-1][wide[-1]]
        since = next(
            b.step
            for b in looked_at
            if any(a.layer == name and a.dead >= DEAD for a in b.activations)
        )
        yield self.finding(
            verdict=f"The ReLUs after {name} are dead: they give 0 for every row.",
            evidence=f"{last.dead:.0%} of {last.num_units} units, seen from update "
            f"{since} to {looked_at[-1].step}",
            cure="a smaller learning rate, scaled inputs, biases that start at 0; or "
            "nn.LeakyReLU()",
            line=looked_at[-1].line,
        )
