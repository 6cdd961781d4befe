"""GT101: gradients are never zeroed."""

from collections.abc import Iterator

from gradatim.doctor.pitfall import Finding, Pitfall
from gradatim.doctor.trial import Trial, Variant
from gradatim.watching.seen import Seen

__all__ = ["NeverZeroed"]

ENOUGH = 3


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

    def find(self, seen: Seen) -> Iterator[Finding]:
        looked_at = [b for b in seen.backwards if b.old_gradients is not None]
        later = [b for b in looked_at if b.step > 0]
        stale = [b for b in later if b.old_gradients]
        if len(stale) < ENOUGH or len(stale) < 0.8 * len(later):
            return
        line = next((b.line for b in stale if b.line), None)
        yield self.finding(
            verdict="Gradients are never zeroed: each backward adds to those before.",
            evidence=(
                f"at {len(stale)} of {len(later)} calls of backward gradients of an "
                f"earlier update were left, the last with norm "
                f"{stale[-1].old_gradients:.4g}"
            ),
            cure="optimizer.zero_grad() before loss.backward()",
            line=line,
        )

    def trial(self, seen: Seen) -> Trial:
        return Trial(as_is=Variant(zeroes=False), cures=(Variant(),))
