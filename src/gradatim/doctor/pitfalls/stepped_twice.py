from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import steps_of
from gradatim.watching import TrainingSeen

MIN_UPDATES = 3  # chosen by hand, not measured
MIN_SHARE_OF_UPDATES = 0.4  # chosen by hand, not measured


class SteppedTwice(Pitfall):
    """One gradient is used for two updates.

    What it sees:
        Again and again a second ``step`` of the same optimizer with no ``backward``
        since the first, and with gradients left from it.

    Why it matters:
        The second step goes in a direction that is out of date; the learning rate is
        in effect twice what it says, and Adam's moments count each batch two times.

    Example::

        loss.backward()
        optimizer.step()
        optimizer.step()

    Instead::

        loss.backward()
        optimizer.step()

    Source: the documentation of ``torch.optim``, "Taking an optimization step".
    """

    code = "GT207"
    title = "stepped twice a batch"
    hides = ("GT204",)

    def find(self, seen: TrainingSeen) -> Findings:
        for number, _ in enumerate(seen.optimizers):
            steps = steps_of(seen, number, closures=False)
            seconds = [step for step in steps if not step.num_backwards]
            if len(seconds) == len(steps):
                continue  # gradients are made by other means
            later = [step for step in seconds if step is not steps[0]]
            again = [step for step in later if step.gradients.norm != 0.0]
            if len(again) < max(MIN_UPDATES, MIN_SHARE_OF_UPDATES * len(steps)):
                continue
            yield self.finding(
                verdict="The optimizer is stepped more than once for one backward.",
                evidence=f"{len(seconds)} of {len(steps)} updates looked at had no "
                "backward since the update before",
                cure="one optimizer.step() for each loss.backward()",
                line=again[0].line,
            )
