from gradatim.doctor.loss_trend import trend_of
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.trial import Trial, Variant
from gradatim.watching import TrainingSeen

SCALE_FREE = (
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "RAdam",
    "RMSprop",
    "Rprop",
    "Adagrad",
)
"""Optimizers whose update does not grow with the gradient."""


class SumWithMeanLr(Pitfall):
    """The loss is a sum over the batch, and training diverges.

    What it sees:
        A loss with ``reduction="sum"``, or ``.sum()`` by hand, of 8 rows or more, an
        optimizer whose update grows with the gradient, and a loss that ends far above
        its start, or no lower.

    Why it matters:
        The gradient of a sum over 64 rows is 64 times that of their mean: ``lr=0.1``
        then acts as 6.4, and a larger batch makes it more.

    Example::

        loss = nn.MSELoss(reduction="sum")(model(x), y)

    Instead::

        loss = nn.MSELoss(reduction="mean")(model(x), y)

    Source: pyro issue 731; the documentation of ``torch.nn.MSELoss``.
    """

    code = "GT307"
    title = "summed loss, learning rate of a mean"
    severity = "error"
    hides = ("GT107", "GT108", "GT204", "GT205", "GT207", "GT308", "GT701", "GT702")

    def find(self, seen: TrainingSeen) -> Findings:
        trend = trend_of(seen)
        kinds = {each.kind for each in seen.optimizers if each.num_steps}
        if trend is None or not kinds or kinds & {*SCALE_FREE, "LBFGS"}:
            return
        if len(kinds) > 1 or len([o for o in seen.optimizers if o.num_steps]) > 1:
            return
        if not trend.diverges and not trend.last >= trend.first > 0:
            return
        calls = [c for c in seen.losses if c.grad and c.input.requires_grad]
        summed = [c for c in calls if c.reduction == "sum"]
        if summed and len(summed) == len(calls):
            rows, line = summed[0].input.shape[0], summed[0].line
            how = f'{summed[0].name}(reduction="sum")'
        else:
            by_hand = [b for b in seen.backwards if b.made_by[:1] == ("Sum",)]
            looked_at = [b for b in seen.backwards if b.made_by]
            if calls or not by_hand or len(by_hand) < len(looked_at):
                return
            outputs = [f.outputs for f in seen.forwards if f.grad and f.outputs]
            if not outputs or not outputs[0][0].shape:
                return
            rows, line, how = outputs[0][0].shape[0], by_hand[0].line, ".sum()"
        if rows < 8:
            return
        lr = max((s.lrs[0] for s in seen.steps if s.lrs), default=0.0)
        yield self.finding(
            verdict="The loss is summed over the batch, and diverges at this learning "
            "rate.",
            evidence=f"{how} of {rows} rows, lr {lr:g} acts as {lr * rows:g} on the "
            f"mean; loss {trend.first:.4g} -> {trend.last:.4g} in {trend.count} steps",
            cure=f"the mean of the rows, or lr={lr / rows:.2g}",
            line=line,
        )

    def trial(self, seen: TrainingSeen) -> Trial:
        return Trial(cures=(Variant(reduction="mean"),))
