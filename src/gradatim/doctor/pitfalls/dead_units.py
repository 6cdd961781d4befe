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
        looked_at = [b for b in seen.backwards if b.activations]
        if len(looked_at) < NUM_LOOKS:
            return
        dead = [
            {
                a.layer: a
                for a in backward.activations
                if a.kind == "Relu" and a.dead >= MIN_SHARE_OF_DEAD_UNITS
            }
            for backward in looked_at[-NUM_LOOKS:]
        ]
        layers = [layer for layer in dead[0] if all(layer in later for later in dead)]
        wide = [layer for layer in layers if dead[-1][layer].num_units >= MIN_UNITS]
        if not wide:
            return
        name, last = wide[-1], dead[-1][wide[-1]]
        since = next(
            backward.step
            for backward in looked_at
            for a in backward.activations
            if a.layer == name and a.dead >= MIN_SHARE_OF_DEAD_UNITS
        )
        yield self.finding(
            verdict=f"The ReLUs after {name} are dead: they give 0 for every row.",
            evidence=f"{last.dead:.0%} of {last.num_units} units, seen from update "
            f"{since} to {looked_at[-1].step}",
            cure="a smaller learning rate, scaled inputs, biases that start at 0; or "
            "nn.LeakyReLU()",
            line=looked_at[-1].line,
        )
