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
        common: set[str] | None = None
        shares: dict[str, tuple[str, float]] = {}
        for backward in [*looked_at[:NUM_FIRST_LOOKS], looked_at[-1]]:
            worst: dict[str, float] = {}
            for output in backward.activations:
                layer = output.layer
                if output.kind != "Relu":
                    worst[layer] = min(worst.get(layer, 1.0), output.saturated)
                    shares[layer] = (output.kind.lower(), worst[layer])
            names = {n for n, share in worst.items() if share >= MIN_SHARE_OF_NUMBERS}
            common = names if common is None else common & names
        if not common:
            return
        name = sorted(common)[0]
        kind, share = shares[name]
        yield self.finding(
            verdict=f"The {kind} after {name} is saturated: its slope is nearly 0.",
            evidence=f"{share:.0%} of its numbers within 0.01 of a bound, from update "
            f"{looked_at[0].step} to {looked_at[-1].step}",
            cure="scaled inputs and smaller initial weights "
            "(nn.init.xavier_normal_); or nn.ReLU()",
            line=looked_at[0].line,
        )
