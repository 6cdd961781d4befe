"""Each number of the doctor and of its watch says in one line where it comes from."""

import ast
from pathlib import Path

import pytest

import gradatim

ROOT = Path(gradatim.__file__).parent
FILES = sorted([*(ROOT / "doctor").rglob("*.py"), *(ROOT / "watching").rglob("*.py")])
TO_DO: set[str] = {
    "doctor/check.py",
    "doctor/learning_rates.py",
    "doctor/pitfalls/accumulated_unscaled.py",
    "doctor/pitfalls/activations_explode.py",
    "doctor/pitfalls/batch_taken_for_time.py",
    "doctor/pitfalls/best_weights_not_copied.py",
    "doctor/pitfalls/cut_in_the_middle.py",
    "doctor/pitfalls/dead_units.py",
    "doctor/pitfalls/decay_too_strong.py",
    "doctor/pitfalls/exploding_gradients.py",
    "doctor/pitfalls/features_unscaled.py",
    "doctor/pitfalls/frozen_by_accident.py",
    "doctor/pitfalls/frozen_norm_drifts.py",
    "doctor/pitfalls/graph_kept.py",
    "doctor/pitfalls/held_out_rows_trained.py",
    "doctor/pitfalls/labels_shuffled_apart.py",
    "doctor/pitfalls/layers_never_used.py",
    "doctor/pitfalls/loader_restarted.py",
    "doctor/pitfalls/loose_parameters.py",
    "doctor/pitfalls/loss_constant.py",
    "doctor/pitfalls/lr_gone_too_early.py",
    "doctor/pitfalls/lr_too_high.py",
    "doctor/pitfalls/moved_by_view.py",
    "doctor/pitfalls/never_stepped.py",
    "doctor/pitfalls/never_zeroed.py",
    "doctor/pitfalls/no_gradients.py",
    "doctor/pitfalls/no_leaf.py",
    "doctor/pitfalls/no_log_probabilities.py",
    "doctor/pitfalls/one_class_predicted.py",
    "doctor/pitfalls/optimizer_of_another.py",
    "doctor/pitfalls/output_not_in_loss.py",
    "doctor/pitfalls/parameters_left_out.py",
    "doctor/pitfalls/rebound_by_update.py",
    "doctor/pitfalls/saturated_units.py",
    "doctor/pitfalls/scheduler_cadence.py",
    "doctor/pitfalls/scheduler_never_stepped.py",
    "doctor/pitfalls/scheduler_of_another.py",
    "doctor/pitfalls/seed_in_the_loop.py",
    "doctor/pitfalls/softmax_before_cross_entropy.py",
    "doctor/pitfalls/stepped_twice.py",
    "doctor/pitfalls/targets_unscaled.py",
    "doctor/pitfalls/tiny_norm_batches.py",
    "doctor/pitfalls/training_in_eval_mode.py",
    "doctor/pitfalls/validation_with_gradients.py",
    "doctor/pitfalls/vanishing_gradients.py",
    "doctor/pitfalls/weights_stand_still.py",
    "doctor/pitfalls/zeroed_before_step.py",
    "watching/forwards.py",
    "watching/graph_leaves.py",
    "watching/initial_weights.py",
    "watching/inputs.py",
    "watching/losses.py",
    "watching/module_structure.py",
    "watching/numbers_of_tensors.py",
    "watching/replay.py",
    "watching/row_codes.py",
    "watching/row_orders.py",
    "watching/saved_tensors.py",
    "watching/scheduler_options.py",
    "watching/sorted_batches.py",
    "watching/tensor_calls.py",
    "watching/training_seen.py",
}
"""Files whose numbers have no word yet."""
SAYS_NOTHING = {"ENOUGH", "FEW", "LARGE", "LITTLE", "MANY", "MOST", "SHARE", "SMALL"}


def is_number(node):
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return bool(node.elts) and all(map(is_number, node.elts))
    if isinstance(node, ast.BinOp):
        return is_number(node.left) and is_number(node.right)
    if isinstance(node, ast.UnaryOp):
        return is_number(node.operand)
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def names_of(node):
    """Give the names in capitals that a statement gives numbers to."""
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        targets = [node.target]
    else:
        return []
    names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
    return (
        [n for n in names if n.lstrip("_").isupper()] if is_number(node.value) else []
    )


def faults_of(source):
    """Say of each numeric constant of a file what it lacks."""
    lines = source.splitlines()
    body = ast.parse(source).body
    faults = []
    for node, after in zip(body, [*body[1:], None], strict=True):
        names = names_of(node)
        if not names:
            continue
        if len(names) > 1:
            faults.append(f"{', '.join(names)}: one constant a line")
        if SAYS_NOTHING & set(names):
            faults.append(f"{names[0]}: the name does not say of what")
        has_docstring = isinstance(after, ast.Expr) and isinstance(
            getattr(after.value, "value", None), str
        )
        above = lines[node.lineno - 2].lstrip() if node.lineno > 1 else ""
        has_comment = "#" in lines[node.end_lineno - 1] or above.startswith("#")
        if not has_docstring and not has_comment:
            faults.append(f"{', '.join(names)}: no word of where it comes from")
    return faults


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_each_number_has_its_reason(path):
    faults = faults_of(path.read_text())
    if str(path.relative_to(ROOT)) in TO_DO:
        assert faults, "it is done: take it from TO_DO"
    else:
        assert faults == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("MIN_STEPS = 3\n", "no word"),
        ("A, B = 1, 2  # why\n", "one constant a line"),
        ("ENOUGH = 3  # why\n", "does not say"),
        ("LOW = 1 / 200\nHIGH = 2  # why\n", "no word"),
        ("EPOCHS = (1, 10)\n", "no word"),
    ],
)
def test_what_is_missing_is_seen(source, fault):
    assert fault in str(faults_of(source))


@pytest.mark.parametrize(
    "source",
    [
        "MIN_STEPS = 3  # chosen by hand, not measured\n",
        'MIN_STEPS = 3\n"""Chosen by hand, not measured."""\n',
        "# Chosen by hand, not measured.\nMIN_STEPS = 3\n",
        'NAMES = ("a", "b")\n',
    ],
)
def test_what_is_said_is_enough(source):
    assert faults_of(source) == []
