import os
import sys

import pytest

from gradatim.cli.main import run

SCRIPT = """
import sys
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
x = torch.randn(8, 3)
y = torch.randn(8, 1)
loss = nn.MSELoss()(model(x), y)
losses = [loss, loss + 1]
arguments = sys.argv[1:]


def line():
    a = torch.zeros(1, requires_grad=True)
    b = torch.ones(1, requires_grad=True)
    points = torch.rand(5, 1)
    return (2 * a + b * points).sum()


def broken():
    raise ValueError("no rows")


if __name__ == "__main__":
    raise SystemExit("this must not run")
"""


@pytest.fixture
def script(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text(SCRIPT)
    yield "train.py"
    sys.modules.pop("gradatim_file_train", None)


def lines_of(capsys):
    return capsys.readouterr().out.splitlines()


def test_a_tensor_of_a_file_is_drawn_with_names_and_lines(script, capsys):
    assert run(["graph", f"{script}:loss"]) == 0
    first, *rest = lines_of(capsys)
    assert first.startswith("MseLoss ()")
    assert first.endswith("train.py:10  loss = nn.MSELoss()(model(x), y)")
    text = "\n".join(rest)
    for name in ("0.weight (4, 3)", "0.bias (4)", "2.weight (1, 4)", "2.bias (1)"):
        assert name in text
    assert "no gradient" not in text


def test_a_function_is_called_and_its_own_variables_have_names(script, capsys):
    assert run(["graph", f"{script}:line", "--with-data"]) == 0
    text = capsys.readouterr().out
    assert "a (1)   parameter" in text and "b (1)   parameter" in text
    assert "2   no gradient" in text and "points (5, 1)   no gradient" in text


def test_several_tensors_have_one_graph(script, capsys):
    assert run(["graph", f"{script}:losses"]) == 0
    assert capsys.readouterr().out.count("backward starts here") == 2


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("loss.html", "<!doctype html>"),
        ("loss.svg", "<svg "),
        ("loss.dot", "digraph {"),
        ("loss.txt", "MseLoss ()"),
    ],
)
def test_output_is_what_its_name_says(script, name, begins, tmp_path, capsys):
    assert run(["graph", f"{script}:loss", "-o", name]) == 0
    assert capsys.readouterr().out == f"graph: {name}\n"
    assert (tmp_path / name).read_text().startswith(begins)


def test_the_file_sees_no_arguments_of_ours(script, capsys):
    before = list(sys.argv)
    assert run(["graph", f"{script}:arguments"]) == 2
    assert "got []" in capsys.readouterr().err
    assert sys.argv == before


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("train.py", "names no tensor"),
        ("train.py:", "names no tensor"),
        ("train:loss", "names no tensor"),
        ("absent.py:loss", "there is no file absent.py"),
        ("train.py:los", "Did you mean 'loss'?"),
        ("train.py:model", "is a Sequential, which has a graph only for an input"),
        ("train.py:x", "has no graph behind it"),
        ("train.py:broken", "broken() fails: ValueError: no rows"),
        ("train.py:torch", "takes a tensor or several"),
    ],
)
def test_what_cannot_be_drawn_is_said(script, target, says, capsys, unchecked):
    assert run(["graph", target]) in (1, 2)
    told = capsys.readouterr()
    assert says in told.err and told.out == ""
    assert "Traceback" not in told.err


def test_a_wrong_ending_is_an_error_and_writes_nothing(script, tmp_path, capsys):
    assert run(["graph", f"{script}:loss", "-o", "loss.pdf"]) == 2
    assert "Name it .svg, .html, .dot or .txt." in capsys.readouterr().err
    # Python may keep the compiled script beside it.
    assert {"train.py"} <= set(os.listdir(tmp_path)) <= {"train.py", "__pycache__"}


def test_two_graphs_at_once_are_refused(script, capsys):
    assert run(["graph", f"{script}:loss", "--tutorial"]) == 2
    assert "three graphs" in capsys.readouterr().err


def test_tutorial_prints_its_five_graphs(capsys):
    assert run(["graph", "--tutorial"]) == 0
    text = capsys.readouterr().out
    titles = [part.splitlines()[0] for part in text.split("\n\n")]
    assert titles == [
        "yhat = a + b * x",
        "error = y - yhat",
        "loss = (error ** 2).mean()",
        "a + b * x, a with requires_grad=False",
        "if loss > 0: loss + (y - b * x).mean()",
    ]


def test_tutorial_draws_its_five_graphs_into_a_folder(tmp_path, capsys):
    folder = tmp_path / "pictures"
    assert run(["graph", "--tutorial", "-o", str(folder)]) == 0
    names = {"yhat", "error", "loss", "fixed", "branched"}
    assert {path.stem for path in folder.iterdir()} == names
    assert "yhat = a + b * x" in (folder / "yhat.html").read_text()


@pytest.mark.parametrize("target", ["price", "town"])
def test_loss_of_a_run_is_drawn(trained, target, capsys):
    folder = trained(target) / "run"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert run(["graph", "--run", str(folder)]) == 0
    text = capsys.readouterr().out
    first = {"price": "MseLoss ()", "town": "NllLoss ()"}[target]
    assert text.startswith(first) and "network." in text
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before
