from gradatim.doctor.gradients import backwards_with_leaves
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import steps_of
from gradatim.watching import TrainingSeen

ENOUGH = 3
STEPS = {"Ceil", "Floor", "Round", "Sign", "Trunc"}
"""Operations with a gradient that is 0 everywhere."""


class NoGradients(Pitfall):
    """Updates are made, but nothing computes a gradient for them.

    What it sees:
        At each update that was looked at every parameter's gradient is None: because
        ``backward`` is never called, or because the loss has no way back to them. Or
        each gradient is exactly 0, and the loss is computed of rounded numbers.

    Why it matters:
        ``step`` skips what has no gradient and says nothing. 1,000 updates move 0
        weights.

    Example::

        loss = torch.tensor(loss_fn(model(x), y).item(), requires_grad=True)
        loss.backward()
        optimizer.step()

    Instead::

        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()

    Source: Stack Overflow 53622076 and 53128752.
    """

    code = "GT103"
    title = "no gradients"
    severity = "error"
    hides = ("GT108", "GT203", "GT309")

    def find(self, seen: TrainingSeen) -> Findings:
        for number, optimizer in enumerate(seen.optimizers):
            steps = steps_of(seen, number)
            looks = [s for s in steps if s.gradients.missing is not None]
            without = [
                s
                for s in looks
                if len(s.gradients.missing or ()) == len(optimizer.parameters)
                and not s.closure
            ]
            if len(without) < ENOUGH or len(without) < len(looks):
                continue
            if any(s.gradients.cleared_after_backward for s in without):
                continue
            number_of = len(optimizer.parameters)
            facts = f"at {len(without)} of {len(looks)} updates looked at .grad was "
            facts += f"None for all {number_of} parameters"
            if not seen.backwards:
                yield self.finding(
                    verdict="backward is never called: there is no gradient to step "
                    "with.",
                    evidence=f"{optimizer.num_steps} updates, 0 backwards; {facts}",
                    cure="loss.backward() before optimizer.step()",
                    line=without[0].line,
                )
            used = backwards_with_leaves(seen)
            models = {key for model in seen.models for key in model.parameters.names}
            if used and not any((b.leaves or {}).keys() & models for b in used):
                yield self.finding(
                    verdict="The loss has no way back to the parameters: its graph is "
                    "cut.",
                    evidence=f"{len(used)} backwards looked at reach 0 parameters of "
                    f"the model; {facts}",
                    cure="compute the loss from the model's output itself, without "
                    ".item(), .detach(), .data, .numpy() or a new torch.tensor(...)",
                    line=used[0].line,
                )
            own = set(optimizer.parameters)
            called = [model for model in seen.models if model.num_calls]
            of = [model.kind for model in called if own & model.parameters.names.keys()]
            if used and of and not any((b.leaves or {}).keys() & own for b in used):
                yield self.finding(
                    verdict=f"The loss that is to train {of[0]} has no way back to it: "
                    "its graph is cut.",
                    evidence=f"{len(used)} backwards looked at reach others; {facts}",
                    cure=f"compute its loss from the output of {of[0]} itself, without "
                    ".detach() on the way",
                    line=without[0].line,
                )
        yield from self._rounded(seen)

    def _rounded(self, seen: TrainingSeen) -> Findings:
        """Find losses of rounded numbers, whose slope is 0 everywhere."""
        rounded = [c for c in seen.losses if c.grad and STEPS & set(c.before)]
        looks = [s for s in seen.steps if s.gradients.norms]
        if len(rounded) < ENOUGH or len(looks) < ENOUGH:
            return
        if any(
            len(s.gradients.zero or ()) < len(s.gradients.norms or ()) for s in looks
        ):
            return
        if any(s.gradients.cleared_after_backward or not s.loss for s in looks):
            return
        operation = next(n for n in rounded[0].before if n in STEPS).lower()
        count = len(looks[0].gradients.norms or ())
        yield self.finding(
            verdict=f"The loss is computed of what {operation} gives: its slope is 0, "
            "and so is every gradient.",
            evidence=f"all {count} gradients were exactly 0 at {len(looks)} of "
            f"{len(looks)} updates looked at, the loss was {looks[0].loss:.4g}",
            cure=f"compute the loss of the numbers before {operation}, which is for "
            "the answer alone",
            line=rounded[0].line,
        )
