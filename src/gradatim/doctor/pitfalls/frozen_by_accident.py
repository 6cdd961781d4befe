import linecache
import re

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import optimized_parameters
from gradatim.text import listed
from gradatim.watching import ModelSeen, SourceLine, TrainingSeen

MIN_SHARE_OF_TRAINED_NUMBERS = 0.5  # chosen by hand, not measured
NORMS = ("BatchNorm", "LayerNorm", "GroupNorm", "InstanceNorm", "RMSNorm")


class FrozenByAccident(Pitfall):
    """Some parameters ask for no gradient though what is around them is trained.

    What it sees:
        Most of a model is trained, and of single layers a part is frozen, the weight
        without the bias or the reverse. Or a layer that was put in for another one is
        frozen with PyTorch's first random weights in it. Other whole parts of a model
        that are frozen are taken as meant.

    Why it matters:
        A filter by names that matches too much or too little raises nothing. A frozen
        weight stays at its random numbers for all epochs.

    Example::

        for name, p in model.named_parameters():
            p.requires_grad = "bias" in name or "1" in name

    Instead::

        model.body.requires_grad_(False)

    Source: PyTorch forum 84911; Stack Overflow 53159427.
    """

    code = "GT105"
    title = "frozen by accident"

    def find(self, seen: TrainingSeen) -> Findings:
        ever = {key for model in seen.models for key in model.freezing.asking}
        for model in _trained_models(seen):
            numels = model.parameters.numels
            frozen = [n for k, n in model.parameters.names.items() if k not in ever]
            halves = _frozen_halves(model, frozen)
            num_trained = sum(numels[n] for n in model.freezing.trainable)
            share = num_trained / max(1, sum(numels.values()))
            if not halves or share < MIN_SHARE_OF_TRAINED_NUMBERS:
                continue
            yield self.finding(
                verdict=f"{listed(halves, quoted=False)} of {model.kind} ask for no "
                "gradient, though the rest of their layers does.",
                evidence=f"{len(frozen)} of {model.parameters.num_tensors} parameters "
                f"have requires_grad=False; {share:.0%} of all numbers are trained",
                cure="freeze whole parts: model.body.requires_grad_(False); set the "
                "others back with requires_grad_(True)",
                line=next((o.line for o in seen.optimizers if o.line), model.line),
            )
        yield from self._new_layers(seen, ever)

    def _new_layers(self, seen: TrainingSeen, ever: set[int]) -> Findings:
        """Find new layers that were frozen with the rest."""
        for model in _trained_models(seen):
            parameters = model.parameters
            never = [(k, n) for k, n in parameters.names.items() if k not in ever]
            frozen = {name for key, name in never if key not in parameters.replaced}
            for layer in model.layers.called:
                own = {n for n in parameters.numels if n.rpartition(".")[0] == layer}
                line = model.structure.made_at.get(layer)
                if layer not in (model.initial.as_made or ()) or not own <= frozen:
                    continue
                if line is None or not _is_put_in(line):
                    continue
                yield self.finding(
                    verdict=f"{layer} of {model.title} is new, and frozen: its weights "
                    "stay at their first random numbers.",
                    evidence=f"{len(own)} of its {len(own)} parameter tensors have "
                    f"requires_grad=False; of the model {len(frozen)} of "
                    f"{parameters.num_tensors}",
                    cure="freeze first, then put the new layer in; or "
                    f"{line.code.partition('=')[0].strip()}.requires_grad_(True)",
                    line=line,
                )


def _trained_models(seen: TrainingSeen) -> list[ModelSeen]:
    held = optimized_parameters(seen)
    models = [model for model in seen.models if model.freezing.trainable]
    return [model for model in models if held & model.parameters.names.keys()]


def _is_put_in(line: SourceLine) -> bool:
    """Tell ``model.fc = nn.Linear(...)``, whose freezing no line asks for by name."""
    match = re.match(r"([\w.\[\]-]*?)(\.\w+|\[-?\d+\])\s*=[^=]", line.code)
    if match is None or line.function == "__init__":
        return False
    place = re.escape(match[1] + match[2])
    freezes = re.compile(rf"{place}\.(\w+\.)?(requires_grad|parameters)")
    return not any(map(freezes.search, linecache.getlines(line.file)))


def _frozen_halves(model: ModelSeen, frozen: list[str]) -> list[str]:
    """Name frozen weights of layers whose bias is trained, and the reverse."""
    halves = []
    for owner, kind in model.structure.kinds.items():
        start = f"{owner}." if owner else ""
        pair = [f"{start}weight", f"{start}bias"]
        has_both = all(name in model.parameters.numels for name in pair)
        rest = [name for name in pair if name in frozen]
        if has_both and len(rest) == 1 and not kind.startswith(NORMS):
            halves += rest
    return halves
