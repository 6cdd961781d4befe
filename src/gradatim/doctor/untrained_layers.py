"""Which layers are used and never trained, and what in the source cuts their graph."""

import ast

from gradatim.doctor.gradients import leaves_at_looks
from gradatim.doctor.source_code.syntax import last_name, nodes_of
from gradatim.watching import ModelSeen, SourceLine, TrainingSeen

__all__ = ["cuts_graph", "graph_cuts", "layers_without_gradient", "never_with_gradient"]

MIN_BACKWARDS = 5  # that reach the model; chosen by hand, not measured
CUTS = (
    "argmax", "data", "detach", "detach_", "inference_mode", "item", "no_grad", "numpy",
    "round", "set_grad_enabled", "sign", "tolist",
)  # fmt: skip
"""Names that cut a graph where they stand in ``forward``."""
NEW_TENSORS = ("torch.tensor", "torch.as_tensor", "torch.from_numpy", "torch.Tensor")
"""Functions that make a tensor without a graph from another one."""


def never_with_gradient(seen: TrainingSeen) -> set[int]:
    """Give the parameters that an optimizer updates and that never had a gradient."""
    never: set[int] = set()
    sometimes = {key for model in seen.models for key in model.parameters.replaced}
    for optimizer in seen.optimizers:
        if optimizer.num_steps:
            never |= optimizer.never
            sometimes |= set(optimizer.parameters) - optimizer.never
    return never - sometimes


def layers_without_gradient(seen: TrainingSeen, model: ModelSeen) -> list[str]:
    """Name called layers that an optimizer holds and that never get a gradient.

    There are none where no other part of the model gets one either. A part of a
    library's model that is not needed, as the pooler of a language model, is left out.
    """
    looks = leaves_at_looks(seen)
    names = model.parameters.names
    if sum(not leaves.keys().isdisjoint(names) for leaves in looks) < MIN_BACKWARDS:
        return []
    reached = {key for leaves in looks for key in leaves}
    never = never_with_gradient(seen) - reached
    trained = {name for key, name in names.items() if key in reached}
    layers = []
    for layer in model.layers.called:
        keys = {key for key, n in names.items() if n.rpartition(".")[0] == layer}
        if layer and keys and keys <= never and not _is_spare(model, layer, trained):
            layers.append(layer)
    return layers


def _is_spare(model: ModelSeen, layer: str, trained: set[str]) -> bool:
    """Tell whether a layer is a part of a library's module that is trained without."""
    starts = [f"{name}." if name else "" for name in model.structure.of_library]
    around = tuple(start for start in starts if f"{layer}.".startswith(start))
    return any(name.startswith(around) for name in trained)


def graph_cuts(seen: TrainingSeen, model: ModelSeen) -> list[SourceLine]:
    """Find what cuts a graph in the ``forward`` methods in the file of a model."""
    lines = [*model.structure.init_lines.values()]
    lines += [f.line for f in seen.forwards if f.line]
    if not lines:
        return []
    file = lines[0].file
    nodes = [node for function in _run_by_forward(file) for node in ast.walk(function)]
    cuts = {getattr(node, "lineno", 0) for node in nodes if cuts_graph(node)}
    return [SourceLine(file, number, "forward") for number in sorted(cuts)]


def cuts_graph(node: ast.AST) -> bool:
    """Tell whether an expression cuts a graph, or makes a new tensor of another one."""
    return last_name(node) in CUTS or (
        isinstance(node, ast.Call)
        and ast.unparse(node.func) in NEW_TENSORS
        and bool(node.args)
        and not isinstance(node.args[0], (ast.Constant, ast.List))
    )


def _run_by_forward(file: str) -> list[ast.FunctionDef]:
    """Give the functions of a file named ``forward``, and those that they name."""
    functions = list(nodes_of(file, ast.FunctionDef))
    names, run = {"forward"}, list[ast.FunctionDef]()
    while more := [f for f in functions if f.name in names and f not in run]:
        run += more
        names |= {last_name(node) for function in more for node in ast.walk(function)}
    return run
