from gradatim.doctor.gradients import have_moved, line_of_backward, reached_leaves
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen

MIN_LOOKS = 5  # chosen by hand, not measured


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
            own = {key for key in optimizer.parameters if key in leaves}
            if optimizer.num_steps or not own:
                continue
            looks = [leaves[key] for key in own]
            if min(map(len, looks)) < MIN_LOOKS or any(map(have_moved, looks)):
                continue
            names = [model.parameters.names.keys() for model in seen.models]
            used = [f for f in seen.forwards if f.used and own & names[f.model]]
            if used and not any(f.training for f in used):
                continue  # the gradients of inputs are meant
            others = [o.parameters for o in seen.optimizers if o.num_steps]
            if not all(own.isdisjoint(parameters) for parameters in others):
                continue
            num_looks = len(leaves[next(k for k in optimizer.parameters if k in own)])
            yield self.finding(
                verdict=f"{optimizer.kind} is made and never stepped.",
                evidence=f"{seen.backwards.count} backwards, 0 updates; "
                f"{len(own)} parameters were the same at {num_looks} looks",
                cure="optimizer.step() after loss.backward()",
                line=line_of_backward(seen, own),
            )
