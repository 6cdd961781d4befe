from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen

MIN_SHARE_OF_NUMBERS = 0.9  # at a bound; chosen by hand, not measured
NUM_FIRST_LOOKS = 3  # chosen by hand, not measured


class SaturatedUnits(Pitfall):
    """Nearly all outputs of a hidden sigmoid or tanh are at a bound.

    What it sees:
        In the graphs of the first three updates that were looked at, and in the last,
        nine in ten numbers of a sigmoid or tanh between two layers are within 0.01 of a
        bound.

    Why it matters:
        The slope of a sigmoid at 0.99 is 0.0099, a 25th of that at 0.5: a gradient
        through two such layers is smaller by 600.

    Example::

        nn.init.normal_(layer.weight, std=10.0)   # then torch.tanh

    Instead::

        nn.init.xavier_normal_(layer.weight)

    Source: Glorot and Bengio 2010, "Understanding the difficulty of training deep
    feedforward neural networks".
    """

    code = "GT702"
    title = "saturated activations"
    hides = ("GT105", "GT106", "GT203")

    def find(self, seen: TrainingSeen) -> Findings:
        looked_at = [b for b in seen.backwards if b.activations]
        if len(looked_at) <= NUM_FIRST_LOOKS:
            return
        saturated = []
        for backward in [*looked_at[:NUM_FIRST_LOOKS], looked_at[-1]]:
            outputs = [a for a in backward.activations if a.kind != "Relu"]
            free = {a.layer for a in outputs if a.saturated < MIN_SHARE_OF_NUMBERS}
            saturated.append({a.layer for a in outputs} - free)
        common = set.intersection(*saturated)
        if not common:
            return
        name = min(common)
        last = [a for a in outputs if a.layer == name]
        kind, share = last[-1].kind.lower(), min(a.saturated for a in last)
        yield self.finding(
            verdict=f"The {kind} after {name} is saturated: its slope is nearly 0.",
            evidence=f"{share:.0%} of its numbers within 0.01 of a bound, from update "
            f"{looked_at[0].step} to {looked_at[-1].step}",
            cure="scaled inputs and smaller initial weights "
            "(nn.init.xavier_normal_); or nn.ReLU()",
            line=looked_at[0].line,
        )
