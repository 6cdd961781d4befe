import math

from gradatim.doctor.gradients import have_moved, reached_leaves
from gradatim.doctor.pitfall import Finding, Findings, Pitfall
from gradatim.doctor.queries import forwards_of, optimized_parameters
from gradatim.text import listed
from gradatim.watching import LeafSeen, ModelSeen, TrainingSeen

MIN_LOOKS = 3  # chosen by hand, not measured
DRAWN_KINDS = ("Linear", "NonDynamically", "Conv", "RNN", "LSTM", "GRU")
"""Layers whose first random weights the watch can tell from trained ones."""

Leaves = dict[int, list[LeafSeen]]
Looks = list[list[LeafSeen]]
"""Of each of some parameters, how it was at each look."""


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
        held, leaves = optimized_parameters(seen), reached_leaves(seen)
        known = {key for model in seen.models for key in model.parameters.names}
        if not held & leaves.keys() & known:
            return
        known_well = [key for key, own in leaves.items() if len(own) >= MIN_LOOKS]
        still = {key for key in known_well if not have_moved(leaves[key])} - held
        left_out = [[k for k in m.parameters.names if k in still] for m in seen.models]
        for number, left in enumerate(left_out):
            if left and _is_by_accident(seen, number, left, held & leaves.keys()):
                yield self._accident(seen, seen.models[number], left, leaves)
        for number, left in enumerate(left_out):
            looks = [leaves[key] for key in left]
            if left and _is_random_body(seen, number, left, looks):
                yield self._body(seen, seen.models[number], left, looks)

    def _accident(
        self, seen: TrainingSeen, model: ModelSeen, left: list[int], leaves: Leaves
    ) -> Finding:
        names = [model.parameters.names[key] for key in left]
        used = [o for o in seen.optimizers if o.num_steps]
        num_stale = sum(key not in leaves for o in used for key in o.parameters)
        stale = f"; it holds {num_stale} tensors that no backward reaches"
        return self.finding(
            verdict=f"The optimizer does not hold {listed(names, quoted=False)} of "
            f"{model.kind}: they get gradients and never move.",
            evidence=f"{len(left)} of {model.parameters.num_tensors} parameters are in "
            f"no optimizer; their numbers were the same at {len(leaves[left[0]])} looks"
            f"{stale if num_stale else ''}",
            cure="make the optimizer of model.parameters(), after the model's last "
            "change",
            line=next((o.line for o in used if o.line), model.line),
        )

    def _body(
        self, seen: TrainingSeen, model: ModelSeen, left: list[int], looks: Looks
    ) -> Finding:
        names = [model.parameters.names[key] for key in left]
        what, name = model.title, model.variable or "model"
        is_whole = len(left) == model.parameters.num_tensors
        if not is_whole:
            what = f"{listed(names, quoted=False)} of {model.kind}"
            name += f".{names[0].partition('.')[0]}"
        line = next((o.line for o in seen.optimizers if o.num_steps), None)
        norm = math.hypot(*(own[-1].old_grad for own in looks))
        return self.finding(
            verdict=f"The optimizer does not hold {what}, before what it trains: it "
            "stays at its first random weights.",
            evidence=f"{len(left)} tensors get gradients at {len(looks[0])} of "
            f"{len(looks[0])} looks and do not move; nothing clears their gradients, "
            f"whose norm has grown to {norm:.3g}",
            cure=f"give the optimizer its parameters too: [*{name}.parameters(), ...]; "
            f"or {name}.requires_grad_(False) where it is meant to stay random",
            line=line or model.line,
            severity="warning" if is_whole else "info",
        )


def _is_by_accident(
    seen: TrainingSeen, number: int, left: list[int], trained: set[int]
) -> bool:
    """Tell whether parameters are left out by accident.

    A prefix of the model, before a trained head, is left out on purpose, and so is a
    model in eval mode: a critic that is meant to stay. Where a whole model is left out,
    it is forgotten if it is given what a trained model made.
    """
    if not _is_used_in_train_mode(seen, number):
        return False
    keys = list(seen.models[number].parameters.names)
    places = [place for place, key in enumerate(keys) if key in trained]
    if not places:
        return _feeds_on_trained(seen, number)
    return any(keys.index(key) > places[0] for key in left)


def _is_random_body(
    seen: TrainingSeen, number: int, left: list[int], looks: Looks
) -> bool:
    """Tell a body of random weights whose gradients pile up, before a trained part.

    One that is meant to stay has weights from elsewhere, or is in eval mode, or under
    ``no_grad``, or asks for no gradient, or has its gradients cleared.
    """
    model = seen.models[number]
    owners = {model.parameters.names[key].rpartition(".")[0] for key in left}
    kinds = model.structure.kinds
    drawn = {o for o in owners if kinds.get(o, "").startswith(DRAWN_KINDS)}
    if not drawn or not drawn <= (model.initial.as_made or set()):
        return False
    num_looks = min(map(len, looks))
    sums = [sum(own[n].old_grad for own in looks) for n in range(1, num_looks)]
    pile_up = num_looks >= MIN_LOOKS and all(norm > 0 for norm in sums)
    feed_others = all(look.feeds for own in looks for look in own)
    return pile_up and feed_others and _is_used_in_train_mode(seen, number)


def _is_used_in_train_mode(seen: TrainingSeen, number: int) -> bool:
    return any(f.used and f.training for f in forwards_of(seen, number))


def _feeds_on_trained(seen: TrainingSeen, number: int) -> bool:
    """Tell whether a model is given what a model made that an optimizer holds."""
    held = optimized_parameters(seen)
    sources = {f.source for f in forwards_of(seen, number) if f.training}
    makers = [seen.models[f.model] for f in seen.forwards if f.order in sources]
    return any(held & maker.parameters.names.keys() for maker in makers)
