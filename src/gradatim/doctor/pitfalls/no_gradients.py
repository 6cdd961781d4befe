from gradatim.doctor.gradients import backwards_with_leaves, gradient_looks
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import steps_of
from gradatim.watching import OptimizerSeen, SourceLine, TrainingSeen

MIN_UPDATES = 3  # chosen by hand, not measured
STEP_FUNCTIONS = {"Ceil", "Floor", "Round", "Sign", "Trunc"}
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
            updates = gradient_looks(steps_of(seen, number))
            num_all = len(optimizer.parameters)
            ordinary = [step for step in updates if not step.closure]
            without = [s for s in ordinary if len(s.gradients.missing or ()) == num_all]
            # Every update that was looked at must lack all gradients.
            if len(without) < max(MIN_UPDATES, len(updates)):
                continue
            # Gradients that were cleared too early are found by zeroed_before_step.
            if any(step.gradients.cleared_after_backward for step in without):
                continue
            facts = f"at {len(without)} of {len(updates)} updates looked at .grad was "
            facts += f"None for all {num_all} parameters"
            yield from self._reason(seen, optimizer, facts, without[0].line)
        yield from self._rounded(seen)

    def _reason(
        self,
        seen: TrainingSeen,
        optimizer: OptimizerSeen,
        facts: str,
        line: SourceLine | None,
    ) -> Findings:
        """Say why none of the parameters of an optimizer ever has a gradient."""
        if not seen.backwards:
            yield self.finding(
                verdict="backward is never called: there is no gradient to step with.",
                evidence=f"{optimizer.num_steps} updates, 0 backwards; {facts}",
                cure="loss.backward() before optimizer.step()",
                line=line,
            )
        looks = backwards_with_leaves(seen)
        reached = {key for backward in looks for key in backward.leaves or {}}
        if not looks:
            return
        if all(reached.isdisjoint(model.parameters.names) for model in seen.models):
            yield self.finding(
                verdict="The loss has no way back to the parameters: its graph is cut.",
                evidence=f"{len(looks)} backwards looked at reach 0 parameters of the "
                f"model; {facts}",
                cure="compute the loss from the model's output itself, without "
                ".item(), .detach(), .data, .numpy() or a new torch.tensor(...)",
                line=looks[0].line,
            )
        own = set(optimizer.parameters)
        called = [model for model in seen.models if model.num_calls]
        kinds = [m.kind for m in called if own & m.parameters.names.keys()]
        if kinds and own.isdisjoint(reached):
            yield self.finding(
                verdict=f"The loss that is to train {kinds[0]} has no way back to it: "
                "its graph is cut.",
                evidence=f"{len(looks)} backwards looked at reach others; {facts}",
                cure=f"compute its loss from the output of {kinds[0]} itself, without "
                ".detach() on the way",
                line=line,
            )

    def _rounded(self, seen: TrainingSeen) -> Findings:
        """Find losses of rounded numbers, whose slope is 0 everywhere."""
        rounded = [c for c in seen.losses if c.grad and STEP_FUNCTIONS & set(c.before)]
        looks = [s for s in seen.steps if s.gradients.norms]
        if min(len(rounded), len(looks)) < MIN_UPDATES:
            return
        for step in looks:
            gradients = step.gradients
            if len(gradients.zero or ()) < len(gradients.norms or ()):
                return
            if gradients.cleared_after_backward or not step.loss:
                return
        operation = next(n for n in rounded[0].before if n in STEP_FUNCTIONS).lower()
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
