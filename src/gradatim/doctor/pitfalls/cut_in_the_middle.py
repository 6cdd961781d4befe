import ast

from gradatim.doctor.gradients import backwards_with_leaves
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.source_code.syntax import last_name, nodes_around, nodes_of
from gradatim.text import listed
from gradatim.watching import ModelSeen, SourceLine, TrainingSeen

ENOUGH = 5
CUTS = (
    "argmax",
    "data",
    "detach",
    "detach_",
    "inference_mode",
    "item",
    "no_grad",
    "numpy",
    "round",
    "set_grad_enabled",
    "sign",
    "tolist",
)
NEW = ("torch.tensor", "torch.as_tensor", "torch.from_numpy", "torch.Tensor")


class CutInTheMiddle(Pitfall):
    """The graph is cut inside the model: layers before the cut get no gradient.

    What it sees:
        Layers that forward calls, that ask for gradients and that an optimizer holds,
        but that no backward reaches, while it reaches others of the same model.

    Why it matters:
        The part before a ``detach``, a ``torch.no_grad()`` or an ``argmax`` keeps its
        random first weights; what comes after can only make the best of them.

    Example::

        h = self.encoder(x).detach()
        return self.head(h)

    Instead::

        h = self.encoder(x)
        return self.head(h)

    Source: PyTorch issue search, "detach" in forward; Stack Overflow 53128752.
    """

    code = "GT108"
    title = "gradient cut inside the model"
    severity = "error"
    hides = ("GT203",)

    def find(self, seen: TrainingSeen) -> Findings:
        looks = [b for b in backwards_with_leaves(seen) if b.leaves]
        for number, model in enumerate(seen.models):
            without = without_gradient(seen, model)
            if not without:
                continue
            own = [
                b
                for b in looks
                if (b.leaves or {}).keys() & model.parameters.names.keys()
            ]
            got = {key for b in looks for key in b.leaves or {}}
            forward = next(
                (f for f in seen.forwards if f.model == number and f.used), None
            )
            cuts = cuts_in(seen, number)
            yield self.finding(
                verdict=f"{listed(without, quoted=False)} of {model.kind} "
                f"{'is' if len(without) == 1 else 'are'} used, and no gradient comes "
                "back.",
                evidence=f"{len(own)} backwards looked at reach "
                f"{len(got & model.parameters.names.keys())} of "
                f"{model.parameters.num_tensors} parameters, and none of "
                f"{len(without)} called layers",
                cure="take away what cuts the graph after them: detach, .data, "
                "torch.no_grad, argmax; or requires_grad_(False) where that is meant",
                line=cuts[0]
                if len(cuts) == 1
                else forward.line
                if forward
                else model.line,
            )
        yield from self._models(seen)

    def _models(self, seen: TrainingSeen) -> Findings:
        """Find a model whose output another one is given without its graph."""
        never = in_vain(seen)
        for number, model in enumerate(seen.models):
            forwards = [f for f in seen.forwards if f.model == number]
            orders = {f.order for f in forwards if f.training}
            takers = [f for f in seen.forwards if f.used and f.source in orders]
            keys = never & model.parameters.names.keys()
            is_used = any(f.used for f in forwards)
            if is_used or len(takers) < ENOUGH or not keys:
                continue
            if not any(held >= keys for held in _trained_with(seen, takers[0].model)):
                continue
            yield self.finding(
                verdict=f"No gradient comes back to {model.title}: its output is cut "
                f"from its graph before {seen.models[takers[0].model].title}.",
                evidence=f"it is given to the next model {len(takers)} times, and "
                f"{len(keys)} of its parameter tensors had 0 gradients in "
                f"{seen.num_steps} updates",
                cure="take away .detach(), .data or a new torch.tensor(...) between "
                "the two; or leave it out of the optimizer where that is meant",
                line=_cut_between(forwards[0].line, takers[0].line),
            )


def _cut_between(
    first: SourceLine | None, last: SourceLine | None
) -> SourceLine | None:
    """Find what cuts from one call to the next, if both are in one function."""
    if first is None or last is None or first.file != last.file:
        return last
    numbers = [
        getattr(node, "lineno", 0)
        for node in nodes_around(first)
        if last_name(node) in CUTS or _is_new_tensor(node)
    ]
    cuts = {n for n in numbers if first.number - 1 <= n <= last.number}
    return SourceLine(first.file, min(cuts), first.function) if cuts else last


def _trained_with(seen: TrainingSeen, number: int) -> list[set[int]]:
    """Give what those optimizers hold that have trained some of a model."""
    own = seen.models[number].parameters.names.keys()
    return [
        set(o.parameters)
        for o in seen.optimizers
        if o.num_steps and own & (set(o.parameters) - o.never)
    ]


def in_vain(seen: TrainingSeen) -> set[int]:
    """Give the parameters that an optimizer holds and that never had a gradient."""
    never = {key for each in seen.optimizers if each.num_steps for key in each.never}
    had = {
        key
        for each in seen.optimizers
        if each.num_steps
        for key in set(each.parameters) - each.never
    }
    return (
        never
        - had
        - {key for model in seen.models for key in model.parameters.replaced}
    )


def without_gradient(seen: TrainingSeen, model: ModelSeen) -> list[str]:
    """Name called layers whose own parameters are to be trained, and never are.

    Other parts of the model are. A part of a library's model that is not needed, as
    the pooler of a language model, is left alone.
    """
    looks = [b for b in backwards_with_leaves(seen) if b.leaves]
    own = [b for b in looks if (b.leaves or {}).keys() & model.parameters.names.keys()]
    if len(own) < ENOUGH:
        return []
    got = {key for b in looks for key in b.leaves or {}}
    never = in_vain(seen) - got
    trained = {name for key, name in model.parameters.names.items() if key in got}
    found = []
    for layer in model.layers.called:
        start = f"{layer}."
        keys = [
            key
            for key, name in model.parameters.names.items()
            if name.startswith(start) and "." not in name[len(start) :]
        ]
        if keys and never.issuperset(keys) and not _is_spare(model, layer, trained):
            found.append(layer)
    return found


def _is_spare(model: ModelSeen, layer: str, trained: set[str]) -> bool:
    outer = [
        n
        for n in model.structure.of_library
        if f"{layer}.".startswith(f"{n}." if n else n)
    ]
    return any(
        name.startswith(f"{place}." if place else place)
        for place in outer
        for name in trained
    )


def cuts_in(seen: TrainingSeen, number: int) -> list[SourceLine]:
    """Find what cuts a graph in the methods of modules, in the file of a model."""
    model = seen.models[number]
    file = next((each.file for each in model.structure.init_lines.values()), None)
    if file is None:
        file = next((f.line.file for f in seen.forwards if f.line), None)
    if file is None:
        return []
    cuts = set()
    for function in _run_by_forward(file):
        for node in ast.walk(function):
            name = last_name(node)
            # torch.tensor(...) makes a new one, too.
            if name in CUTS or _is_new_tensor(node):
                cuts.add(getattr(node, "lineno", 0))
    return [SourceLine(file, line, "forward") for line in sorted(cuts)]


def _run_by_forward(file: str) -> list[ast.FunctionDef]:
    """Give the functions of a file named ``forward``, and those that they name."""
    functions = [n for n in nodes_of(file) if isinstance(n, ast.FunctionDef)]
    names, found = {"forward"}, list[ast.FunctionDef]()
    while more := [f for f in functions if f.name in names and f not in found]:
        found += more
        for function in more:
            nodes = ast.walk(function)
            names |= {last_name(n) for n in nodes}
    return found


def _is_new_tensor(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and ast.unparse(node.func) in NEW
        and bool(node.args)
        and not isinstance(node.args[0], (ast.Constant, ast.List))
    )
