from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import only_optimizer, steps_of
from gradatim.doctor.trial import Trial, Variant
from gradatim.watching import TrainingSeen

MIN_UPDATES = 3  # chosen by hand, not measured
MIN_SHARE_OF_UPDATES = 0.4  # more than once an epoch; chosen by hand, not measured


class NeverZeroed(Pitfall):
    """Gradients of earlier batches are added to those of each new one.

    What it sees:
        At the start of ``backward`` the gradients that the last update used are still
        there, and not zero, time after time.

    Why it matters:
        ``backward`` adds to ``.grad``. After ten batches an update goes in the sum of
        ten directions, nine of them out of date: the loss swings with growing steps.

    Example::

        for x, y in loader:
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()

    Instead::

        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()

    Source: the tutorial, "Autograd"; Stack Overflow 44732217.
    """

    code = "GT101"
    title = "gradients never zeroed"
    severity = "error"
    hides = ("GT107", "GT204", "GT207")

    def find(self, seen: TrainingSeen) -> Findings:
        for number, optimizer in enumerate(seen.optimizers):
            steps = steps_of(seen, number)
            looks = [step for step in steps if step.gradients.stale is not None]
            stale = [step for step in looks if step.gradients.stale]
            if len(stale) < max(MIN_UPDATES, MIN_SHARE_OF_UPDATES * len(looks)):
                continue
            whose = ""
            if only_optimizer(seen) is None:
                made_in = optimizer.line.number if optimizer.line else "?"
                whose = f" of {optimizer.kind} (line {made_in})"
            yield self.finding(
                verdict=f"Gradients{whose} are never zeroed: each backward adds to "
                "those before.",
                evidence=f"at {len(stale)} of {len(looks)} updates looked at, "
                "gradients of the update before were still there, the last with "
                f"norm {stale[-1].gradients.stale:.4g}",
                cure="optimizer.zero_grad() before loss.backward()",
                line=stale[0].backward_line,
            )

    def trial(self, seen: TrainingSeen) -> Trial:
        return Trial(as_is=Variant(zeroes=False), cures=(Variant(),))
