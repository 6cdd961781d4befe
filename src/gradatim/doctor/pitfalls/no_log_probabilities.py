from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import numbers_given, trained_calls
from gradatim.watching import LossCall, TrainingSeen

MAX_SUM_ERROR = 1e-3  # of a row of probabilities; chosen by hand, not measured
MIN_LOG_SUM_ERROR = 0.05  # of a row of log-probabilities; chosen by hand, not measured
MIN_LOGIT = 0.05  # a log-probability is 0 at most; chosen by hand, not measured
MIN_CALLS = 3  # chosen by hand, not measured
RATES = ("Exp", "Softplus")
"""The autograd operations that make a rate."""


class NoLogProbabilities(Pitfall):
    """``nll_loss`` or ``kl_div`` is given logits or probabilities, not their logs.

    What it sees:
        Rows whose exponentials do not sum to 1, in every call that was looked at:
        probabilities (they sum to 1 themselves) or logits (some are above 0).

    Why it matters:
        ``nll_loss`` is minus the number at the target's place. Of logits it falls
        without end, of probabilities to -1: no logarithm, so a row that is sure and
        wrong costs 1 and not 10, and gradients fade.

    Example::

        loss = F.nll_loss(model(x), y)

    Instead::

        loss = F.nll_loss(F.log_softmax(model(x), dim=1), y)

    Source: the documentation of ``torch.nn.NLLLoss`` and ``torch.nn.KLDivLoss``.
    """

    code = "GT304"
    title = "no log-probabilities given"
    severity = "error"
    max_findings = 2
    hides = ("GT106", "GT203", "GT204", "GT107", "GT309", "GT308")

    def find(self, seen: TrainingSeen) -> Findings:
        yield from self._rates(seen)
        for name in ("nll_loss", "kl_div"):
            calls = [c for c in trained_calls(seen, name) if c.input.requires_grad]
            kinds = [_kind_of_input(call) for call in calls]
            if not calls or not all(kinds):
                continue
            call, kind = calls[0], kinds[0]
            yield self.finding(
                verdict=f"{name} takes log-probabilities, and is given {kind}.",
                evidence=f"numbers {numbers_given(call)}; log of a row's summed "
                f"exponentials up to {call.facts['input_log_sum_error']:.4g} from 0, "
                f"in {len(calls)} calls",
                cure=_cure(name, kind or ""),
                line=call.line,
            )
            return

    def _rates(self, seen: TrainingSeen) -> Findings:
        """Find rates that are given to the loss of counts in place of logarithms."""
        calls = trained_calls(seen, "poisson_nll_loss")
        of_logs = [call for call in calls if call.options.get("log_input")]
        positive = [call for call in of_logs if call.facts["input_min"] >= 0]
        rates = [call for call in positive if {*RATES} & {*call.before[:2]}]
        if len(rates) < max(MIN_CALLS, len(calls)):
            return
        yield self.finding(
            verdict="poisson_nll_loss takes the logarithm of a rate, and is given the "
            "rate.",
            evidence=f"numbers {numbers_given(rates[0])}, what an exponential or "
            f"softplus gave, in {len(rates)} calls with log_input=True",
            cure="nn.PoissonNLLLoss(log_input=False), or leave the exponential out",
            line=rates[0].line,
        )


def _kind_of_input(call: LossCall) -> str | None:
    """Say what a loss is given; None where it may be log-probabilities."""
    facts = call.facts
    error = facts.get("input_log_sum_error")
    if error is None or error < MIN_LOG_SUM_ERROR:
        return None
    if facts["input_min"] >= 0 and facts["input_row_sum_error"] < MAX_SUM_ERROR:
        return "probabilities"
    if "LogSoftmax" in call.before:
        # Where more was computed after it, rows of joint probabilities sum to less.
        if call.name == "nll_loss" and call.before[0] == "LogSoftmax":
            return "log_softmax along another dimension than 1"
        return None
    is_logit = facts["input_max"] > MIN_LOGIT and "Log" not in call.before
    return "logits" if is_logit else None


def _cure(name: str, kind: str) -> str:
    if kind == "probabilities":
        return "F.log_softmax in place of the softmax"
    if kind != "logits":
        return "F.log_softmax(logits, dim=1)"
    if name == "nll_loss":
        return "F.cross_entropy(logits, y), which takes the log-softmax itself"
    return "F.kl_div(F.log_softmax(logits, dim=1), q, reduction='batchmean')"
