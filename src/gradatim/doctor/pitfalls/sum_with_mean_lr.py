from gradatim.doctor.loss_trend import trend_of_loss
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import only_optimizer
from gradatim.doctor.trial import Trial, Variant
from gradatim.watching import TrainingSeen

MIN_ROWS = 8  # chosen by hand, not measured
SCALE_FREE = (
    "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "Adagrad"
)  # fmt: skip
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
        trend = trend_of_loss(seen)
        number = only_optimizer(seen)
        if trend is None or number is None:
            return
        if seen.optimizers[number].kind in (*SCALE_FREE, "LBFGS"):
            return
        if not trend.diverges and not trend.last >= trend.first > 0:
            return
        calls = [c for c in seen.losses if c.grad and c.input.requires_grad]
        if calls and all(call.reduction == "sum" for call in calls):
            shape, line = calls[0].input.shape, calls[0].line
            how = f'{calls[0].name}(reduction="sum")'
        else:
            looks = [b for b in seen.backwards if b.made_by]
            outputs = [f.outputs for f in seen.forwards if f.grad and f.outputs]
            if calls or not looks or not outputs or not outputs[0][0].shape:
                return
            if any(b.made_by[0] != "Sum" for b in looks):
                return
            shape, line, how = outputs[0][0].shape, looks[0].line, ".sum()"
        rows = shape[0]
        if rows < MIN_ROWS:
            return
        lr = max((s.lrs[0] for s in seen.steps if s.lrs), default=0.0)
        yield self.finding(
            verdict="The loss is summed over the batch, and diverges at this learning "
            "rate.",
            evidence=f"{how} of {rows} rows, lr {lr:g} acts as {lr * rows:g} on the "
            f"mean; {trend}",
            cure=f"the mean of the rows, or lr={lr / rows:.2g}",
            line=line,
        )

    def trial(self, seen: TrainingSeen) -> Trial:
        return Trial(cures=(Variant(reduction="mean"),))
