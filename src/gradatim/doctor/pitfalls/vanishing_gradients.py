from statistics import median

from gradatim.doctor.gradients import depth_trend
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import optimizers_of
from gradatim.watching import TrainingSeen

MIN_UPDATES = 4  # chosen by hand, not measured
MIN_SHARE_OF_UPDATES = 0.6  # chosen by hand, not measured
MAX_RATIO = 1e-4  # of the first weight to the last; chosen by hand, not measured
MIN_CORRELATION = 0.8  # of size with depth; chosen by hand, not measured


class VanishingGradients(Pitfall):
    """The first layers' gradients are a tiny part of the last ones'.

    What it sees:
        In the updates looked at, gradients of weights shrink with the distance from the
        loss, to less than 1/10,000 at the first layer.

    Why it matters:
        A sigmoid's slope is 0.25 at most: ten of them in a row leave a millionth. The
        first layers keep their random weights.

    Example::

        layers += [nn.Linear(32, 32), nn.Sigmoid()]   # ten times

    Instead::

        layers += [nn.Linear(32, 32), nn.ReLU()]

    Source: Glorot, Bengio 2010, "Understanding the difficulty of training deep
    feedforward neural networks".
    """

    code = "GT106"
    title = "vanishing gradients"
    hides = ("GT203", "GT309")

    def find(self, seen: TrainingSeen) -> Findings:
        for model in seen.models:
            owners = optimizers_of(seen, model)
            steps = [s for s in seen.steps if s.optimizer in owners]
            trends = [t for s in steps if (t := depth_trend(s, model)) is not None]
            bad = [t for t in trends if t[0] < MAX_RATIO and t[1] > MIN_CORRELATION]
            if len(bad) < max(MIN_UPDATES, MIN_SHARE_OF_UPDATES * len(trends)):
                continue
            ratio = median(t[0] for t in bad)
            yield self.finding(
                verdict=f"Gradients vanish on the way to the first layers of "
                f"{model.kind}.",
                evidence=f"the first weight's gradients are {ratio:.1g} of the last's "
                f"(median of {len(bad)} of {len(trends)} updates looked at)",
                cure="nn.ReLU in place of sigmoid or tanh, batch norm or a skip "
                "connection between, or fewer layers",
                line=next((s.line for s in steps), None),
            )
