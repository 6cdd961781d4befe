from gradatim.doctor.gradients import have_moved, reached_leaves
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen

ENOUGH = 5


class NeverStepped(Pitfall):
    """Gradients are computed for an optimizer that never uses them.

    What it sees:
        An optimizer was made, backwards reach its parameters many times, it makes no
        update, and the parameters stay the same.

    Why it matters:
        All the work of training is done but for its last line: 0 weights move.

    Example::

        optimizer.zero_grad()
        loss.backward()

    Instead::

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    Source: Stack Overflow 53975717.
    """

    code = "GT206"
    title = "optimizer never stepped"
    severity = "error"
    hides = ("GT101", "GT111", "GT203", "GT309", "GT805")

    def find(self, seen: TrainingSeen) -> Findings:
        if not seen.is_whole or seen.error is not None:
            return
        leaves = reached_leaves(seen)
        for optimizer in seen.optimizers:
            own = [key for key in optimizer.parameters if key in leaves]
            if optimizer.num_steps or not own:
                continue
            if any(len(leaves[k]) < ENOUGH or have_moved(leaves[k]) for k in own):
                continue
            owners = {
                number
                for number, model in enumerate(seen.models)
                if model.parameters.names.keys() & set(own)
            }
            used = [f for f in seen.forwards if f.model in owners and f.used]
            if used and not any(f.training for f in used):
                continue  # gradients of inputs are meant
            elsewhere = [
                o
                for o in seen.optimizers
                if o.num_steps and set(own) & set(o.parameters)
            ]
            if elsewhere:
                continue
            line = next(
                (b.line for b in seen.backwards if (b.leaves or {}).keys() & set(own)),
                None,
            )
            yield self.finding(
                verdict=f"{optimizer.kind} is made and never stepped.",
                evidence=f"{seen.backwards.count} backwards, 0 updates; "
                f"{len(own)} parameters were the same at {len(leaves[own[0]])} looks",
                cure="optimizer.step() after loss.backward()",
                line=line,
            )
