"""The tutorial's numbers, rung by rung, and the failures it meets on the way.

The expected numbers are those of the tutorial (its CPU ones); where a test says
otherwise, the source stands beside it.
"""

import ast
import contextlib
import functools
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from torch import nn
from torch.utils.data import TensorDataset, random_split

import gradatim.ladder
from gradatim.data import line, line_split
from gradatim.ladder import RUNGS
from gradatim.ladder.table import count_training_lines, least_squares, measure

FOLDER = Path(gradatim.ladder.__file__).parent
TRAINING = [rung.number for rung in RUNGS if rung.trains]


@functools.cache
def result_of(number):
    """Run a rung once: what it returns, what it prints, and whether it moved an RNG."""
    run = RUNGS[number - 1].load()
    torch.manual_seed(7)
    np.random.seed(7)
    torch_before, numpy_before = torch.get_rng_state(), np.random.get_state()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        value = run()
    moved = not torch.equal(torch_before, torch.get_rng_state()) or any(
        not np.array_equal(a, b)
        for a, b in zip(numpy_before, np.random.get_state(), strict=True)
    )
    return value, printed.getvalue(), moved


def printed_by(number):
    return result_of(number)[1]


# --- all of them


def test_the_list_is_the_folder():
    assert [rung.number for rung in RUNGS] == list(range(1, 15))
    assert [rung.module for rung in RUNGS] == sorted(
        path.stem for path in FOLDER.glob("rung_*.py")
    )


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.title)
def test_each_is_one_program_with_one_run(rung):
    source = rung.source()
    tree = ast.parse(source)
    functions = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    # Rung 11 is about a function: that one, and run.
    assert functions == ["make_train_step", "run"] if rung.number == 11 else ["run"]
    docstring = ast.get_docstring(tree)
    assert docstring.startswith(f"Rung {rung.number}: ")
    assert "Source: the tutorial" in docstring
    assert source.endswith('\n\nif __name__ == "__main__":\n    run()\n')
    assert max(map(len, source.splitlines())) <= 80, "it is read on a terminal"


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.title)
def test_none_moves_the_global_random_numbers(rung):
    *_, moved = result_of(rung.number)
    assert not moved


@pytest.mark.parametrize("number", TRAINING)
def test_training_returns_a_b_and_losses(number):
    (a, b, losses), *_ = result_of(number)
    assert isinstance(a, float) and isinstance(b, float)
    names = {"train_loss", "val_loss"} if number >= 13 else {"train_loss"}
    assert losses.keys() == names
    num_losses = 5000 if number == 12 else 1000  # 12 keeps one an update
    assert all(len(values) == num_losses for values in losses.values())
    assert np.mean(losses["train_loss"][-50:]) < losses["train_loss"][0]


@pytest.mark.parametrize("module", ["rung_01_numpy", "rung_04_parameters"])
def test_it_runs_as_a_program(module):
    command = [sys.executable, "-W", "error", "-m", f"gradatim.ladder.{module}"]
    program = subprocess.run(command, capture_output=True, text=True, check=True)
    assert program.stdout == printed_by(int(module[5:7]))


# --- the numbers


def test_rung_1_numpy():
    (a, b, losses), printed, _ = result_of(1)
    assert a == pytest.approx(1.02354094, abs=1e-8)
    assert b == pytest.approx(1.96896411, abs=1e-8)
    assert "a 0.49671415  b -0.13826430" in printed
    assert losses["train_loss"] == sorted(losses["train_loss"], reverse=True)


def test_rung_1_has_the_data_of_line_split():
    (x, y), _ = line_split(*line(dtype=torch.float64))
    _, _, losses = RUNGS[0].load()(epochs=1)
    random = np.random.RandomState(42)
    start = random.randn(1) + random.randn(1) * x.numpy()
    assert losses["train_loss"] == [((y.numpy() - start) ** 2).mean()]


def test_rung_2_check():
    (a, b, losses), printed, _ = result_of(2)
    assert (a, b) == pytest.approx((1.02354075, 1.96896447), abs=1e-8)
    assert "rung 1         a 1.02354094  b 1.96896411" in printed
    assert losses["train_loss"] == pytest.approx([0.00804466], abs=1e-8)


def test_rung_2_agrees_with_scikit_learn():
    (x, y), _ = line_split(*line(dtype=torch.float64))
    oracle = LinearRegression().fit(x.numpy(), y.numpy())
    a, b, _ = result_of(2)[0]
    assert a == pytest.approx(oracle.intercept_.item(), abs=1e-12)
    assert b == pytest.approx(oracle.coef_.item(), abs=1e-12)


def test_rung_1_ends_at_rung_2_to_6_decimals():
    (a1, b1, _), (a2, b2, _) = result_of(1)[0], result_of(2)[0]
    assert (a1, b1) == pytest.approx((a2, b2), abs=5e-7)


@pytest.mark.parametrize("number", [5, 7, 8, 9, 10, 11])
def test_full_batch_rungs_end_where_the_tutorial_does(number):
    a, b, _ = result_of(number)[0]
    assert f"{a:.4f}" == "1.0235"
    assert f"{b:.4f}" == "1.9690"


@pytest.mark.parametrize("number", [5, 7, 8, 9])
def test_starts_by_torch_seed_42(number):
    printed = printed_by(number)
    assert "0.3367" in printed and "0.1288" in printed


@pytest.mark.parametrize("number", [10, 11])
def test_starts_of_the_linear_layer(number):
    assert (
        "start OrderedDict([('0.weight', tensor([[0.7645]])), "
        "('0.bias', tensor([0.8300]))])" in printed_by(number)
    )


def test_rung_11_is_rung_10_to_the_bit():
    assert result_of(10)[0] == result_of(11)[0]


# --- what they show


def test_rung_3_makes_the_same_data_as_float32_tensors():
    (x, y), printed, _ = result_of(3)
    (x_train, y_train), _ = line_split(*line())
    assert torch.equal(x.cpu(), x_train) and torch.equal(y.cpu(), y_train)
    assert x.dtype == torch.float32
    assert "<class 'numpy.ndarray'> float64\n<class 'torch.Tensor'>" in printed
    assert "scalar 0 ()" in printed and "tensor 3 (2, 3, 4)" in printed
    assert "after add  tensor([1., 2., 3.])" in printed
    assert "after add_ tensor([11., 12., 13.])" in printed


def test_rung_3_shows_what_numpy_cannot_take():
    printed = printed_by(3)
    other = "cuda:0" if torch.cuda.is_available() else "meta"
    assert (
        f"TypeError: can't convert {other} device type tensor to numpy. "
        "Use Tensor.cpu()" in printed
    )
    assert "RuntimeError: Can't call numpy() on Tensor that requires grad" in printed


def test_rung_4_shows_which_way_makes_a_leaf():
    printed = printed_by(4)
    assert [word for word in printed.split() if word in ("True", "False")] == [
        *("True", "False", "True", "True"),  # the four ways
        "True",  # to("cpu") on the CPU
    ]
    assert "grad_fn=<ToCopyBackward0>) leaf: False" in printed
    assert "ValueError: can't optimize a non-leaf Tensor" in printed
    assert "the copy's .grad is None" in printed
    assert "left behind tensor([3.])" in printed


def test_rung_5_shows_the_two_attempts_that_fail():
    printed = printed_by(5)
    assert "AttributeError: 'NoneType' object has no attribute 'zero_'" in printed
    assert (
        "RuntimeError: a leaf Variable that requires grad is being used in an "
        "in-place operation." in printed
    )


def test_rung_5_shows_what_forgotten_zeroing_does():
    grads = [
        float(text.split()[-1])
        for text in printed_by(5).splitlines()
        if "after backward() number" in text
    ]
    assert grads == pytest.approx([grads[0], 2 * grads[0], 3 * grads[0]], abs=2e-4)
    last = printed_by(5).splitlines()[-1].replace(",", "").split()
    forgotten, zeroed = float(last[1]), float(last[-1])
    assert forgotten > 50 * zeroed


def test_rung_6_draws_the_graphs():
    first, *graphs = printed_by(6).strip().split("\n\n")
    assert first.splitlines() == [
        "b * x has the grad_fn MulBackward0",
        "its next_functions are",
        "  torch::autograd::AccumulateGrad",
        "  None",
    ]
    drawn = {
        title: [line.partition(" (")[0] for line in lines]
        for title, *lines in (graph.splitlines() for graph in graphs)
    }
    assert drawn["yhat = a + b * x"] == ["Add", "├─ a", "Mul", "└─ b"]
    assert drawn["error = y - yhat"] == ["Sub", "Add", "├─ a", "Mul", "└─ b"]
    assert drawn["loss = (error ** 2).mean()"][:3] == ["Mean", "Pow", "Sub"]
    assert drawn["a + b * x, a with requires_grad=False"] == ["Add", "Mul", "└─ b"]
    branched = printed_by(6).partition("if loss > 0")[2]
    assert branched.count("─ b (1)") == 2 and branched.count("─ a (1)") == 1


def test_rung_7_puts_adam_beside_sgd():
    printed = printed_by(7)
    assert "SGD end   a 1.0235  b 1.9690" in printed
    assert "Adam end  a 1.0235  b 1.9690" in printed
    assert "after zero_grad() a.grad is None" in printed


def test_rung_8_shows_that_a_sum_is_80_means():
    mean, total = (text.split() for text in printed_by(8).splitlines()[-2:])
    assert (mean[0], total[0]) == ("mean", "sum")
    for column in (2, 4):
        assert float(total[column]) == pytest.approx(80 * float(mean[column]), rel=1e-4)


def test_rung_9_shows_calls_modes_devices_and_dtypes():
    printed = printed_by(9)
    assert "start OrderedDict([('a', tensor([0.3367])), ('b'" in printed
    assert "hooks run by model.forward(x): 0" in printed
    assert "hooks run by model(x):         1" in printed
    assert "train() changed the weights: False" in printed
    modes = [text for text in printed.splitlines() if text.startswith("dropout in")]
    assert set(ast.literal_eval(modes[0].partition("mode")[2].strip())) == {0.0, 2.0}
    assert ast.literal_eval(modes[1].partition("mode")[2].strip()) == [1.0] * 6
    assert "-> RuntimeError: " in printed.partition("x on ")[2].splitlines()[0]
    assert "must have the same dtype" in printed


def test_rung_10_finds_the_parameters_of_a_layer_never_used():
    printed = printed_by(10)
    assert "linear.weight  0.7645  gradient -0.9465" in printed
    assert "linear.bias    0.8300  gradient -1.5251" in printed
    assert printed.count("gradient None") == printed.count("  unused.") == 2


def test_rung_12_ends_close_to_the_best_line_of_its_own_split():
    (a, b, _), printed, _ = result_of(12)
    # Drawn here as the rung draws it, and solved by scikit-learn.
    seeded = torch.Generator().manual_seed(42)
    train_set, _ = random_split(
        TensorDataset(*line(dtype=torch.float64)), [80, 20], generator=seeded
    )
    x, y = (torch.stack(rows).numpy() for rows in zip(*train_set, strict=True))
    oracle = LinearRegression().fit(x, y)
    best = oracle.intercept_.item(), oracle.coef_.item()
    assert (a, b) == pytest.approx(best, abs=5e-3)
    assert least_squares(RUNGS[11]) == pytest.approx(best, abs=1e-12)
    assert f"least squares  a {best[0]:.4f}  b {best[1]:.4f}" in printed
    assert best != pytest.approx((1.02354075, 1.96896447), abs=1e-3)


def test_rung_12_shows_a_batch_and_the_updates_of_an_epoch():
    printed = printed_by(12)
    assert "one batch torch.Size([16, 1]) torch.Size([16, 1]) cpu" in printed
    assert "batch_size 80:  1 updates an epoch" in printed
    assert "batch_size  1: 80 updates an epoch" in printed
    assert "batch_size 16:  5 updates an epoch" in printed
    ours, theirs = printed.splitlines()[:2]
    assert ours.partition(" (")[2] == theirs.partition(" (")[2]


def test_rung_13_both_curves_fall():
    losses = result_of(13)[0][2]
    for values in losses.values():
        assert np.mean(values[-100:]) < np.mean(values[10:20]) < values[1] < values[0]
        # The noise has variance 0.01; no curve can go far below.
        assert 0.005 < np.mean(values[-100:]) < 0.015


def test_rung_13_shows_no_grad_and_a_scheduler():
    printed = printed_by(13)
    assert "a graph behind the predictions: True" in printed
    assert "and under no_grad():            False" in printed
    assert "with StepLR the rate is [0.1, 0.01, 0.001]" in printed


def test_rung_13_keeps_means_over_points():
    """The first epoch again, with all its 20 validation points at once."""
    a, b, losses = RUNGS[12].load()(epochs=1)
    seeded = torch.Generator().manual_seed(42)
    _, val_set = random_split(TensorDataset(*line()), [80, 20], generator=seeded)
    x, y = (torch.stack(rows) for rows in zip(*val_set, strict=True))
    whole = nn.functional.mse_loss(a + b * x, y).item()
    assert losses["val_loss"] == pytest.approx([whole], rel=1e-5)


def test_rung_14_is_rung_13_bit_for_bit():
    (a13, b13, losses13), (a14, b14, losses14) = result_of(13)[0], result_of(14)[0]
    assert torch.equal(torch.tensor([a13, b13]), torch.tensor([a14, b14]))
    assert losses14 == losses13
    loss_table = printed_by(13).partition("a graph")[0]
    assert printed_by(14).startswith(loss_table)


# --- the table's numbers


@pytest.mark.parametrize(("number", "num_lines"), [(1, 8), (5, 11), (11, 2), (14, 1)])
def test_training_lines(number, num_lines):
    assert count_training_lines(RUNGS[number - 1].source()) == num_lines


def test_measure():
    row = measure(RUNGS[8], epochs=200)
    assert row.num_lines == 8
    assert 1e-3 < row.distance < 1  # 200 epochs are not enough
    assert 1 < row.update_time_us < 1e5


def test_measure_of_what_does_not_train():
    check, tensors = measure(RUNGS[1]), measure(RUNGS[2])
    assert check.distance == pytest.approx(0, abs=1e-12)
    assert check.num_lines is check.update_time_us is None
    assert tensors.a is tensors.b is tensors.distance is None
