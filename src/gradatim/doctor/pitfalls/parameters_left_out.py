import math

from gradatim.doctor.gradients import have_moved, reached_leaves
from gradatim.doctor.pitfall import Finding, Findings, Pitfall
from gradatim.doctor.queries import optimized_parameters
from gradatim.text import listed
from gradatim.watching import LeafSeen, ModelSeen, TrainingSeen

ENOUGH = 3
DRAWN = ("Linear", "NonDynamically", "Conv", "RNN", "LSTM", "GRU")
"""Kinds of layers whose random weights are known from others."""


class ParametersLeftOut(Pitfall):
    """Parameters get gradients, and no optimizer holds them.

    What it sees:
        Backwards reach parameters of a model in train mode that no optimizer holds and
        that never move, while others of the same training do. What lies before the
        trained part, as a body before its head, is taken as meant, unless its weights
        are PyTorch's first random ones and its gradients pile up unused: a warning for
        a model of its own, advice for the first part of one.

    Why it matters:
        They stay as they were made. With a head of random numbers, 100 epochs can only
        bend the layers before it towards those numbers.

    Example::

        optimizer = torch.optim.Adam(model.parameters())
        model.fc = nn.Linear(512, 10)

    Instead::

        model.fc = nn.Linear(512, 10)
        optimizer = torch.optim.Adam(model.parameters())

    Source: PyTorch issues 14467 and 54765.
    """

    code = "GT201"
    title = "optimizer misses parameters"
    severity = "error"
    hides = ("GT203",)

    def find(self, seen: TrainingSeen) -> Findings:
        inside = optimized_parameters(seen)
        leaves = reached_leaves(seen)
        known = {key for model in seen.models for key in model.parameters.names}
        if not inside & leaves.keys() & known:
            return
        for number, model in enumerate(seen.models):
            left = _left_out(model, leaves, inside)
            if left and _is_by_accident(seen, number, left, leaves, inside):
                yield self._finding(seen, model, left, leaves)
        for number, model in enumerate(seen.models):
            left = _left_out(model, leaves, inside)
            if left and _is_random_body(seen, number, left, leaves):
                yield self._body_finding(seen, model, left, leaves)

    def _body_finding(
        self,
        seen: TrainingSeen,
        model: ModelSeen,
        left: list[int],
        leaves: dict[int, list[LeafSeen]],
    ) -> Finding:
        names = [model.parameters.names[key] for key in left]
        is_whole = len(left) == model.parameters.num_tensors
        what = (
            model.title
            if is_whole
            else f"{listed(names, quoted=False)} of {model.kind}"
        )
        old = next((o for o in seen.optimizers if o.num_steps), None)
        name = model.variable or "model"
        if not is_whole:
            name += f".{names[0].partition('.')[0]}"
        norm = math.hypot(*(leaves[key][-1].old_grad for key in left))
        return self.finding(
            verdict=f"The optimizer does not hold {what}, before what it trains: it "
            "stays at its first random weights.",
            evidence=f"{len(left)} tensors get gradients at {len(leaves[left[0]])} of "
            f"{len(leaves[left[0]])} looks and do not move; nothing clears their "
            f"gradients, whose norm has grown to {norm:.3g}",
            cure=f"give the optimizer its parameters too: [*{name}.parameters(), ...]; "
            f"or {name}.requires_grad_(False) where it is meant to stay random",
            line=old.line if old and old.line else model.line,
            severity="warning" if is_whole else "info",
        )

    def _finding(
        self,
        seen: TrainingSeen,
        model: ModelSeen,
        left: list[int],
        leaves: dict[int, list[LeafSeen]],
    ) -> Finding:
        names = [model.parameters.names[key] for key in left]
        old = [o for o in seen.optimizers if o.num_steps]
        stale = sum(key not in leaves for each in old for key in each.parameters)
        about = f"; it holds {stale} tensors that no backward reaches" if stale else ""
        return self.finding(
            verdict=f"The optimizer does not hold {listed(names, quoted=False)} of "
            f"{model.kind}: they get gradients and never move.",
            evidence=f"{len(left)} of {model.parameters.num_tensors} parameters are in "
            f"no optimizer; their numbers were the same at {len(leaves[left[0]])} looks"
            f"{about}",
            cure="make the optimizer of model.parameters(), after the model's last "
            "change",
            line=next((o.line for o in old if o.line), model.line),
        )


def _left_out(
    model: ModelSeen, leaves: dict[int, list[LeafSeen]], inside: set[int]
) -> list[int]:
    """Give a model's parameters that get gradients, in no optimizer, never moved."""
    return [
        key
        for key in model.parameters.names
        if key in leaves
        and key not in inside
        and len(leaves[key]) >= ENOUGH
        and not have_moved(leaves[key])
    ]


def _is_by_accident(
    seen: TrainingSeen,
    number: int,
    left: list[int],
    leaves: dict[int, list[LeafSeen]],
    inside: set[int],
) -> bool:
    model = seen.models[number]
    used = [f for f in seen.forwards if f.model == number and f.used]
    if not used or not any(f.training for f in used):
        return False  # in eval mode: a critic that is meant to stay
    trained = [key for key in model.parameters.names if key in inside and key in leaves]
    if not trained:
        # A whole model: frozen on purpose would be without gradients. It is known
        # to be forgotten where an optimizer holds what nothing uses any more, or
        # where another model is trained before it.
        return _feeds_on_trained(seen, number, inside)
    places = {key: place for place, key in enumerate(model.parameters.names)}
    # A prefix of the model before a trained head is left out on purpose.
    return max(places[k] for k in left) > max(places[k] for k in trained) or any(
        places[k] > min(places[t] for t in trained) for k in left
    )


def _is_random_body(
    seen: TrainingSeen, number: int, left: list[int], leaves: dict[int, list[LeafSeen]]
) -> bool:
    """Tell a body of random weights whose gradients pile up, before a trained part.

    One that is meant to stay has weights from elsewhere, or is in eval mode, or under
    ``no_grad``, or asks for no gradient, or has its gradients cleared.
    """
    model = seen.models[number]
    if not any(f.model == number and f.used and f.training for f in seen.forwards):
        return False
    owners = {model.parameters.names[key].rpartition(".")[0] for key in left}
    drawn = {o for o in owners if model.structure.kinds.get(o, "").startswith(DRAWN)}
    if not drawn or not drawn <= (model.initial.as_made or set()):
        return False
    looks = [leaves[key] for key in left]
    piles = min(map(len, looks)) >= ENOUGH and all(
        sum(each[place].old_grad for each in looks) > 0
        for place in range(1, min(map(len, looks)))
    )
    return piles and all(look.feeds for each in looks for look in each)


def _feeds_on_trained(seen: TrainingSeen, number: int, inside: set[int]) -> bool:
    """Tell whether a model is given what a trained one made."""
    by_order = {f.order: f.model for f in seen.forwards}
    for forward in seen.forwards:
        if forward.model != number or forward.source is None or not forward.training:
            continue
        before = by_order.get(forward.source)
        if before is not None and inside & seen.models[before].parameters.names.keys():
            return True
    return False
