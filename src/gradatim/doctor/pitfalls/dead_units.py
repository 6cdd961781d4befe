from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen

MIN_SHARE_OF_DEAD_UNITS = 0.9  # chosen by hand, not measured
NUM_LOOKS = 3  # that find them dead; chosen by hand, not measured
MIN_UNITS = 4  # of a layer; chosen by hand, not measured


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
        looks = [b for b in seen.backwards if b.activations]
        if len(looks) < NUM_LOOKS:
            return
        relus = [[a for a in look.activations if a.kind == "Relu"] for look in looks]
        dead = [
            {a.layer: a for a in outputs if a.dead >= MIN_SHARE_OF_DEAD_UNITS}
            for outputs in relus
        ]
        first, *later = dead[-NUM_LOOKS:]
        layers = [name for name in first if all(name in look for look in later)]
        wide = [layer for layer in layers if dead[-1][layer].num_units >= MIN_UNITS]
        if not wide:
            return
        name, last = wide[-1], dead[-1][wide[-1]]
        pairs = zip(looks, dead, strict=True)
        since = next(look.step for look, names in pairs if name in names)
        yield self.finding(
            verdict=f"The ReLUs after {name} are dead: they give 0 for every row.",
            evidence=f"{last.dead:.0%} of {last.num_units} units, seen from update "
            f"{since} to {looks[-1].step}",
            cure="a smaller learning rate, scaled inputs, biases that start at 0; or "
            "nn.LeakyReLU()",
            line=looks[-1].line,
        )
