import ast
import linecache
from functools import lru_cache

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.source_code.syntax import tree_of
from gradatim.watching import SourceLine, TrainingSeen

FEW = 2
OF_MODULES = ("parameters", "state_dict", "train", "eval", "named_parameters")


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
            same = [u for u in seen.state_uses if u.taken == use.taken]
            if use.how != "itself" and len(same) > FEW:
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
        files = {
            line.file for m in seen.models for line in m.structure.made_at.values()
        }
        files |= {s.line.file for s in seen.steps if s.line is not None}
        for file in sorted(files):
            found = kept_models(file)
            trained = {f.model for f in seen.forwards if f.used}
            if sum(o.num_steps > 0 for o in seen.optimizers) == 1 == len(trained):
                found += kept_by_class(file)
            for number, name in found:
                if seen.num_steps:
                    yield self.finding(
                        verdict=f"The best {name} is kept by another name, but it is "
                        "no copy: it is trained on.",
                        evidence=f"one object with two names through {seen.num_steps} "
                        "updates",
                        cure=f"copy.deepcopy({name})",
                        line=SourceLine(file, number),
                    )


@lru_cache(maxsize=64)
def kept_models(file: str) -> tuple[tuple[int, str], ...]:
    """Find ``best... = model`` under an ``if`` in a loop that trains that model.

    Returns:
        Lines and names. A name that the loop itself gives to another model each time is
        left alone.
    """
    tree = tree_of(file)
    modules = _modules_in(tree)
    training = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and any(map(_steps, ast.walk(node)))
    }
    found = []
    for loop in ast.walk(tree):
        if not isinstance(loop, (ast.For, ast.While)):
            continue
        inside = list(ast.walk(loop))
        given = {
            ast.unparse(node)
            for node in inside
            if isinstance(node, (ast.Name, ast.Attribute))
            and isinstance(node.ctx, ast.Store)
        }
        trains = any(map(_steps, inside)) or any(
            isinstance(n, ast.Call) and ast.unparse(n.func) in training for n in inside
        )
        found += [
            (node.lineno, ast.unparse(node.value.args[0]))
            for node in loop.body
            if trains
            and isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Call)
            and isinstance(node.value.func, ast.Attribute)
            and node.value.func.attr == "append"
            and node.value.args
            and isinstance(node.value.args[0], ast.Name)
            and node.value.args[0].id in modules - given
        ]
        for condition in inside:
            if not trains or not isinstance(condition, ast.If):
                continue
            for node in condition.body:
                if not isinstance(node, ast.Assign):
                    continue
                name, target = ast.unparse(node.value), ast.unparse(node.targets[0])
                is_kept = "best" in target.lower() and name in modules - given
                if is_kept and isinstance(node.value, (ast.Name, ast.Attribute)):
                    found.append((node.lineno, name))
    return tuple(sorted(set(found)))


def _modules_in(tree: ast.Module) -> set[str]:
    return {
        ast.unparse(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in OF_MODULES
    }


@lru_cache(maxsize=64)
def kept_by_class(file: str) -> tuple[tuple[int, str], ...]:
    """Find ``self.best... = model`` in a class that is given the model, used later."""
    if "copy" in "".join(linecache.getlines(file)):
        return ()
    tree = tree_of(file)
    modules = _modules_in(tree)
    found = []
    for owner in ast.walk(tree):
        if not isinstance(owner, ast.ClassDef):
            continue
        inside = set(ast.walk(owner))
        used = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Load)
            and node not in inside
        }
        for function in owner.body:
            if not isinstance(function, ast.FunctionDef):
                continue
            given = {each.arg for each in function.args.args} & modules
            for condition in ast.walk(function):
                for node in condition.body if isinstance(condition, ast.If) else ():
                    if not isinstance(node, ast.Assign):
                        continue
                    name, target = ast.unparse(node.value), node.targets[0]
                    is_best = isinstance(target, ast.Attribute) and (
                        "best" in target.attr.lower() and target.attr in used
                    )
                    if is_best and name in given:
                        found.append((node.lineno, name))
    return tuple(sorted(set(found)))


def _steps(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "step"
