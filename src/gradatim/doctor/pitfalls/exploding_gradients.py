import math
from statistics import median

from gradatim.doctor.gradients import depth_trend
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import optimizers_of
from gradatim.watching import TrainingSeen

MAX_RATIO = 1e3  # of the first weight to the last; chosen by hand, not measured
MIN_CORRELATION = 0.8  # of size with depth; chosen by hand, not measured
FIRST_UPDATES = 10  # chosen by hand, not measured
FIRST_UPDATES_IF_INFINITE = 2  # chosen by hand, not measured


class ExplodingGradients(Pitfall):
    """The first layers' gradients are many times the last ones'.

    What it sees:
        At the first updates, gradients of weights grow with the distance from the loss,
        to more than a thousandfold; or they are infinite though the loss is not.

    Why it matters:
        One learning rate cannot serve layers whose gradients differ by 1,000: what
        moves the last ones throws the first ones away.

    Example::

        nn.init.normal_(layer.weight, std=1.0)   # 64 inputs: each layer times 8

    Instead::

        nn.init.kaiming_normal_(layer.weight)

    Source: Pascanu, Mikolov, Bengio 2013, https://arxiv.org/abs/1211.5063.
    """

    code = "GT107"
    title = "exploding gradients"
    hides = ("GT309", "GT704")

    def find(self, seen: TrainingSeen) -> Findings:
        for model in seen.models:
            owners = optimizers_of(seen, model)
            updates = [s for s in seen.steps if s.optimizer in owners]
            steps = [s for s in updates if s.step < FIRST_UPDATES]
            trends = [t for s in steps if (t := depth_trend(s, model)) is not None]
            bad = [t for t in trends if t[0] > MAX_RATIO and t[1] < -MIN_CORRELATION]
            if bad and bad[0] is trends[0]:
                ratio = median(t[0] for t in bad)
                evidence = f"the first weight's gradients are {ratio:,.0f} times the "
                evidence += f"last's, at {len(bad)} of {len(trends)} first updates"
            else:
                first = [s for s in steps if s.step < FIRST_UPDATES_IF_INFINITE]
                infinite = [s for s in first if s.gradients.norm == math.inf]
                loss = infinite[0].loss or 0 if infinite else math.inf
                # A scaler multiplies the losses of a model in half precision.
                outputs = [info for f in seen.forwards for info in f.outputs]
                is_scaled = any(info.dtype == "float16" for info in outputs)
                if not math.isfinite(loss) or is_scaled:
                    continue
                evidence = f"gradients are infinite at update {infinite[0].step}, the "
                evidence += f"loss is {loss:.4g}"
            yield self.finding(
                verdict=f"Gradients explode on the way to the first layers of "
                f"{model.kind}.",
                evidence=evidence,
                cure="PyTorch's own initial weights or kaiming_normal_, a norm layer "
                "between; clip_grad_norm_(model.parameters(), 1.0) before the step",
                line=next((s.line for s in steps), None),
            )
