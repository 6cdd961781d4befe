import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import only_optimizer
from gradatim.doctor.source_code.syntax import called_method, nodes_in, tree_of
from gradatim.watching import SourceLine, TrainingSeen

MAX_USES_OF_A_COPY = 2  # of one taken state; chosen by hand, not measured
METHODS_OF_MODULES = ("parameters", "state_dict", "train", "eval", "named_parameters")


class BestWeightsNotCopied(Pitfall):
    """``best = model.state_dict()`` is no copy: it changes as the weights do.

    What it sees:
        A dict that ``state_dict()`` gave is loaded or saved after later updates, while
        its tensors are still the parameters themselves. Or, in the source,
        ``best_model = model`` under a condition in the loop that trains ``model``, or
        in a class that is given it, or ``models.append(model)`` in that loop.

    Why it matters:
        ``state_dict`` refers to the weights, and an update changes them in place. The
        best of 50 epochs is not kept: what is restored are the weights of the last.

    Example::

        if val_loss < best_loss:
            best = model.state_dict()

    Instead::

        if val_loss < best_loss:
            best = copy.deepcopy(model.state_dict())

    Source: PyTorch, "Saving and loading models"; PyTorch issue 34765.
    """

    code = "GT604"
    title = "best weights kept without a copy"
    severity = "error"

    def find(self, seen: TrainingSeen) -> Findings:
        for use in seen.state_uses:
            num_uses = sum(other.taken == use.taken for other in seen.state_uses)
            if use.how != "itself" and num_uses > MAX_USES_OF_A_COPY:
                continue  # taken once, and meant to follow the weights
            done = "saved" if use.how == "saved" else "loaded"
            yield self.finding(
                verdict=f"A state that was kept is {done}, but it is no copy: it holds "
                "the weights of the last update.",
                evidence=f"{done} {use.updates} updates after it was taken, with the "
                "tensors that these updates have changed"
                + (f" (at {use.used})" if use.used else ""),
                cure="copy.deepcopy(model.state_dict())",
                line=use.taken,
            )
        yield from self._models(seen)

    def _models(self, seen: TrainingSeen) -> Findings:
        """Find ``best_model = model``, which is one model with two names."""
        if not seen.num_steps:
            return
        made_at = [m.structure.made_at.values() for m in seen.models]
        files = {line.file for lines in made_at for line in lines}
        files |= {s.line.file for s in seen.steps if s.line is not None}
        trained = {f.model for f in seen.forwards if f.used}
        is_one_model = only_optimizer(seen) is not None and len(trained) == 1
        for file in sorted(files):
            kept = kept_models(file) + (kept_by_class(file) if is_one_model else ())
            for number, name in kept:
                yield self.finding(
                    verdict=f"The best {name} is kept by another name, but it is no "
                    "copy: it is trained on.",
                    evidence=f"one object with two names through {seen.num_steps} "
                    "updates",
                    cure=f"copy.deepcopy({name})",
                    line=SourceLine(file, number),
                )


@lru_cache(maxsize=64)
def kept_models(file: str) -> tuple[tuple[int, str], ...]:
    """Find ``best... = model`` under an ``if`` in a loop that trains that model.

    Returns:
        Line numbers and names. A name to which the loop itself gives another model each
        time is left alone.
    """
    tree = tree_of(file)
    modules = _modules_in(tree)
    training = {f.name for f in nodes_in(tree, ast.FunctionDef) if _makes_updates(f)}
    kept: set[tuple[int, str]] = set()
    for loop in ast.walk(tree):
        if not isinstance(loop, (ast.For, ast.While)):
            continue
        called = {ast.unparse(call.func) for call in nodes_in(loop, ast.Call)}
        if not (_makes_updates(loop) or called & training):
            continue
        names = modules - {
            ast.unparse(node)
            for node in ast.walk(loop)
            if isinstance(node, (ast.Name, ast.Attribute))
            and isinstance(node.ctx, ast.Store)
        }
        for statement in loop.body:
            match statement:
                case ast.Expr(ast.Call(args=[ast.Name(name), *_]) as call):
                    if called_method(call) == "append" and name in names:
                        kept.add((call.lineno, name))
        for node in _assignments_under_conditions(loop):
            name, target = ast.unparse(node.value), ast.unparse(node.targets[0])
            is_model = isinstance(node.value, (ast.Name, ast.Attribute))
            if is_model and name in names and "best" in target.lower():
                kept.add((node.lineno, name))
    return tuple(sorted(kept))


@lru_cache(maxsize=64)
def kept_by_class(file: str) -> tuple[tuple[int, str], ...]:
    """Find ``self.best... = model`` in a class that is given the model, used later."""
    if "copy" in "".join(linecache.getlines(file)):
        return ()
    tree = tree_of(file)
    modules = _modules_in(tree)
    kept: set[tuple[int, str]] = set()
    for owner in nodes_in(tree, ast.ClassDef):
        inside = set(ast.walk(owner))
        used = {
            node.attr
            for node in nodes_in(tree, ast.Attribute)
            if isinstance(node.ctx, ast.Load) and node not in inside
        }
        for function in owner.body:
            if not isinstance(function, ast.FunctionDef):
                continue
            given = {argument.arg for argument in function.args.args} & modules
            for node in _assignments_under_conditions(function):
                name, target = ast.unparse(node.value), node.targets[0]
                attribute = target.attr if isinstance(target, ast.Attribute) else ""
                if "best" in attribute.lower() and attribute in used and name in given:
                    kept.add((node.lineno, name))
    return tuple(sorted(kept))


def _modules_in(tree: ast.Module) -> set[str]:
    attributes = nodes_in(tree, ast.Attribute)
    return {ast.unparse(a.value) for a in attributes if a.attr in METHODS_OF_MODULES}


def _assignments_under_conditions(tree: ast.AST) -> Iterator[ast.Assign]:
    for condition in nodes_in(tree, ast.If):
        yield from (node for node in condition.body if isinstance(node, ast.Assign))


def _makes_updates(tree: ast.AST) -> bool:
    return any(node.attr == "step" for node in nodes_in(tree, ast.Attribute))
