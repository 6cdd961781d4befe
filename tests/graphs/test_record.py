"""What a recording adds: modules, lines, data; and that it leaves nothing behind."""

import gc
import subprocess
import sys
import threading
import weakref
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.modules import module as torch_module

import gradatim as gt
from gradatim.graphs.graph import Graph
from gradatim.graphs.graph_data import Arrow, Group, Node
from tests.graphs import models
from tests.graphs.drawn import arrows, check_picture, drawn, node, titles

GLOBAL_HOOKS = [each for each in vars(torch_module) if each.startswith("_global_")]


def _modes():
    return (
        [dict(getattr(torch_module, each) or {}) for each in GLOBAL_HOOKS],
        torch.is_anomaly_enabled(),
        torch.is_anomaly_check_nan_enabled(),
        torch.is_grad_enabled(),
        torch._C._len_torch_function_stack(),
    )


def _net():
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))


# --- Modules --------------------------------------------------------------------------


def test_modules_are_named_by_the_model_and_others_by_their_class():
    model, loss_fn = _net(), nn.MSELoss()
    with gt.record(model) as recorded:
        loss = loss_fn(model(torch.rand(2, 3)), torch.rand(2, 1))
    graph = recorded.graph(loss)
    # MSELoss makes one node; its call is told all the same.
    assert titles(graph) == ["0: Linear", "1: Tanh", "2: Linear", "MSELoss"]
    by_name = {n.name: n.group for n in graph.nodes if n.kind == "parameter"}
    assert by_name == {"0.weight": 0, "0.bias": 0, "2.weight": 2, "2.bias": 2}
    assert node(graph, "Tanh").group == 1


def test_the_only_model_that_is_called_is_found():
    model = _net()
    with gt.record() as recorded:
        loss = model(torch.rand(2, 3)).mean()
    assert titles(recorded.graph(loss))[0] == "0: Linear"


def test_two_models_go_by_their_classes():
    one, other = _net(), nn.Linear(1, 1)
    with gt.record() as recorded:
        loss = other(one(torch.rand(2, 3))).mean()
    found = titles(recorded.graph(loss))
    assert found == ["Sequential", "Linear", "Tanh", "Linear", "Linear"]


def test_a_module_called_twice_is_counted():
    model = nn.Linear(2, 2)
    with gt.record() as recorded:
        loss = model(model(torch.rand(1, 2))).sum()
    graph = recorded.graph(loss)
    assert titles(graph) == ["Linear (1 of 2)", "Linear (2 of 2)"]
    assert [n.group for n in graph.nodes if n.name == "weight"] == [0, 1]


def test_an_error_in_a_forward_does_not_shift_later_modules():
    class Failing(nn.Module):
        def forward(self, x):
            x.exp()
            raise KeyError("mine")

    net, failing = _net(), nn.Sequential(Failing())
    with gt.record(net) as recorded:
        with pytest.raises(KeyError, match="mine"):
            failing(torch.ones(2, requires_grad=True))
        loss = net(torch.rand(2, 3)).exp().mean()
    graph = recorded.graph(loss)
    assert titles(graph) == ["0: Linear", "1: Tanh", "2: Linear"]
    assert node(graph, "Exp").group is None


def test_what_a_forward_has_left_by_ctrl_c_is_closed_by_the_one_around_it():
    class Failing(nn.Module):
        def forward(self, x):
            raise KeyboardInterrupt  # no Exception: PyTorch calls no hook

    class Catching(nn.Module):
        def __init__(self):
            super().__init__()
            self.failing = Failing()

        def forward(self, x):
            try:
                return self.failing(x)
            except KeyboardInterrupt:
                return x.tanh()

    net, catching = _net(), Catching()
    with gt.record(net) as recorded:
        x = catching(torch.ones(2, 3, requires_grad=True))
        loss = net(x).mean()
    graph = recorded.graph(loss)
    assert {g.name: g.parent for g in graph.groups if g.kind == "Linear"} == {
        "0": None,
        "2": None,
    }
    assert node(graph, "Mean").group is None


def test_views_that_are_made_again_are_in_the_module_that_gave_them():
    model = nn.ModuleList([models.InPlace()])
    with gt.record(model) as recorded:
        _, part = model[0](torch.rand(2, 3))
        loss = part.sum()
    graph = recorded.graph(loss)
    check_picture(graph)
    assert titles(graph)[0] == "0: InPlace"
    assert [n.name for n in graph.nodes if n.is_operation and n.group != 0] == [
        "T",
        "Addmm",
        "Sum",
    ]


def test_modules_in_threads_make_no_circle():
    model = _net()
    start = threading.Barrier(4)
    found = []

    def work():
        start.wait()
        for _ in range(10):
            found.append(model(torch.rand(2, 3)).mean())

    with gt.record(model) as recorded:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    graph = recorded.graph(torch.stack(found).sum())
    drawn(graph)
    check_picture(graph, ways=[True, False])


def test_a_thread_beside_it_changes_no_module():
    model = _net()
    is_over = threading.Event()

    def work():
        while not is_over.is_set():
            model(torch.rand(2, 3))

    thread = threading.Thread(target=work)
    with gt.record(model) as recorded:
        thread.start()
        losses = [model(torch.rand(2, 3)).mean() for _ in range(50)]
        is_over.set()
        thread.join()
    for loss in losses:
        graph = recorded.graph(loss)
        assert titles(graph) == ["0: Linear", "1: Tanh", "2: Linear"]
        assert node(graph, "Tanh").group == 1


def test_groups_that_make_a_circle_are_drawn_without_frames():
    nodes = [
        Node(number=i, kind="operation", name=f"n{i}", group=group)
        for i, group in enumerate([0, 1, 0, 1, 2, 2])
    ]
    groups = [
        Group(number=i, name=f"g{i}", kind="Linear", parent=None) for i in range(3)
    ]
    graph = Graph(nodes, [Arrow(i, i + 1) for i in range(5)], groups)
    drawn(graph)
    svg = graph.svg(opened=True)
    assert 'id="f2"' in svg
    assert 'id="f0"' not in svg or 'id="f1"' not in svg


# --- Compiled modules -----------------------------------------------------------------


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(3, 4), nn.Linear(4, 4)

    def forward(self, x):
        return self.two(torch.tanh(self.one(x) + torch.ones(4)))


class Around(nn.Module):
    def __init__(self, block):
        super().__init__()
        self.block, self.out = block, nn.Linear(4, 1)

    def forward(self, x):
        return self.out(self.block(x)).relu()


def _compiled_call():
    return Around(torch.compile(Block(), backend="aot_eager"))


def _compiled_in_place():
    model = Around(Block())
    model.block.compile(backend="aot_eager")
    return model


@pytest.mark.parametrize("make", [_compiled_call, _compiled_in_place])
@pytest.mark.filterwarnings("ignore")  # PyTorch's own, of what it compiles with
def test_a_compiled_module_stays_one_box(unchecked, make):
    torch._dynamo.reset()
    model, x = make(), torch.rand(2, 3)
    with gt.record(model) as recorded:
        loss = model(x).mean()
    graph = recorded.graph(loss, data=True)
    names = [n.name for n in graph.nodes if n.is_operation]
    assert names == ["CompiledFunction", "T", "Addmm", "Relu", "Mean"]
    assert titles(graph)[-1] == "out: Linear"
    drawn(graph)
    assert torch.equal(model(x).mean(), loss)
    assert not graph.gradients().why_not


SEQUENTIAL = """
import torch
from torch import nn
import gradatim as gt
model = nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), nn.Linear(4, 1))
model[0].compile(backend="aot_eager")
x = torch.rand(2, 3)
plain = gt.graph(model(x).mean(), model=model)
with gt.record(model) as recorded:
    loss = model(x).mean()
graph = recorded.graph(loss)
print([node.name for node in graph.nodes] == [node.name for node in plain.nodes])
print([group.title for group in graph.groups])
"""


def test_a_sequential_that_pytorch_does_not_compile_stays_in_the_open():
    """In a process of its own: what checks our annotations is compiled elsewise."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SEQUENTIAL],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == [
        "True",
        "['0: Sequential', '0.0: Linear', '0.1: Tanh', '1: Linear']",
    ]


# --- Lines ----------------------------------------------------------------------------


def test_the_line_is_that_of_the_users_code():
    model = nn.Linear(3, 1)
    with gt.record(model) as recorded:
        predictions = model(torch.rand(2, 3))
        loss = nn.functional.mse_loss(predictions, torch.zeros(2, 1))
    graph = recorded.graph(loss)
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    for name, code in {
        "Addmm": "predictions = model(torch.rand(2, 3))",
        "MseLoss": "loss = nn.functional.mse_loss(predictions, torch.zeros(2, 1))",
    }.items():
        where, _, shown = node(graph, name).line.partition("  ")
        file, _, number = where.partition(":")
        assert (file, shown) == ("test_record.py", code)
        assert lines[int(number) - 1].strip() == code


def test_the_line_of_what_torch_has_written_is_the_one_that_called_it():
    model = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(3, 4)))
    with gt.record() as recorded:
        loss = model(torch.rand(2, 3)).sum()
    line = node(recorded.graph(loss), "Addmm").line
    assert line.endswith("loss = model(torch.rand(2, 3)).sum()")


def test_code_without_a_file_has_a_line_without_code():
    place = {"torch": torch, "b": torch.ones(1, requires_grad=True)}
    with gt.record() as recorded:
        exec("c = b * 2", place)
    assert node(recorded.graph(place["c"]), "Mul").line == "<string>:1"


def test_a_line_does_not_move_the_cursor():
    place = {"b": torch.ones(1, requires_grad=True)}
    with gt.record() as recorded:
        exec(compile("c = b * 2", "a\x1b[2J.py", "exec"), place)
    graph = recorded.graph(place["c"])
    assert node(graph, "Mul").line == r"a\x1b[2J.py:1"
    assert "\x1b" not in graph.text()


# --- Nothing is left behind -----------------------------------------------------------


@pytest.mark.parametrize("anomaly", [(False, True), (True, True), (True, False)])
@pytest.mark.parametrize("error", [False, True])
@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_all_modes_are_as_before(anomaly, error):
    mine = torch_module.register_module_forward_hook(lambda *given: None)
    before = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    try:
        torch.autograd.set_detect_anomaly(*anomaly)
        with torch.no_grad():
            modes = _modes()
            try:
                with gt.record(_net()) as recorded:
                    assert not torch.is_grad_enabled()
                    assert torch.is_anomaly_enabled()
                    assert torch.is_anomaly_check_nan_enabled() == all(anomaly)
                    if error:
                        raise KeyError("mine")
            except KeyError:
                assert error
            assert recorded._calls == []
            assert _modes() == modes
    finally:
        torch.autograd.set_detect_anomaly(*before)
        mine.remove()


def test_nan_in_a_backward_inside_is_no_error():
    weight = torch.zeros(1, requires_grad=True)
    with gt.record() as recorded:
        (weight / weight).sum().backward()
        loss = weight.exp()
    assert weight.grad.isnan().all()
    drawn(recorded.graph(loss))


def test_recordings_are_nested():
    outer_net, inner_net = _net(), _net()
    modes = _modes()
    with gt.record(outer_net) as outer:
        hidden = outer_net[0](torch.rand(2, 3))
        with gt.record(inner_net) as inner:
            loss = inner_net[2](hidden).mean()
    assert _modes() == modes
    assert titles(inner.graph(loss)) == ["2: Linear"]
    assert titles(outer.graph(loss)) == ["0: Linear", "Linear"]
    one, other = outer.graph(loss, data=True), inner.graph(loss, data=True)
    assert node(one, "Mean").line == node(other, "Mean").line != ""


def test_a_recording_keeps_no_tensor_alive():
    model = _net()
    with gt.record(model) as recorded:
        x = torch.rand(2, 3)
        hidden = model(x)
        weight = torch.ones(1, requires_grad=True)
        loss = (hidden * weight).mean()
    refs = [weakref.ref(each) for each in (x, hidden, weight, loss)]
    assert "weight" in recorded.names
    del x, hidden, weight, loss
    gc.collect()
    assert [ref() for ref in refs] == [None] * 4
    assert "weight" not in recorded.names


# --- Data and constants ---------------------------------------------------------------


def _data(graph):
    return [(n.name, n.shape) for n in graph.nodes if n.kind == "data"]


def test_data_of_the_tutorial_are_drawn_dashed():
    a, b = (torch.ones(1, requires_grad=True) for _ in "ab")
    x, y = torch.rand(80, 1), torch.rand(80, 1)
    with gt.record() as recorded:
        yhat = a + b * x
        loss = ((y - yhat) ** 2).mean()
    graph = recorded.graph(loss, data=True)
    assert sorted(_data(graph)) == [("x", (80, 1)), ("y", (80, 1))]
    assert sorted(arrows(graph)) == sorted(
        [
            ("b", "Mul"),
            ("x", "Mul"),
            ("a", "Add"),
            ("Mul", "Add"),
            ("y", "Sub"),
            ("Add", "Sub"),
            ("Sub", "Pow"),
            ("Pow", "Mean"),
        ]
    )
    assert graph.svg().count('class="data"') == 2
    assert graph.dot().count('"filled,dashed"') == 2
    assert "x (80, 1)   no gradient" in graph.text()
    assert _data(recorded.graph(loss)) == []
    assert "data" not in {n.kind for n in recorded.graph(loss).nodes}


@pytest.mark.parametrize(
    "compute, expected",
    [
        (lambda b: 2 * b, [("2", None)]),
        (lambda b: b - 0.5, [("0.5", None)]),
        (lambda b: 3 / b, [("3", None)]),
        (lambda b: b**2, []),
        (lambda b: b.clamp(0, 1), []),
        (lambda b: b * torch.tensor(3.0), [("constant", ())]),
        (lambda b: b * torch.ones(3), [("data", (3,))]),
        (lambda b: torch.cat([b, torch.ones(2)]), [("data", (2,))]),
    ],
)
def test_constants(compute, expected):
    b = torch.ones(3, requires_grad=True)
    with gt.record() as recorded:
        result = compute(b)
    assert _data(recorded.graph(result, data=True)) == expected


def test_targets_and_indices_are_data():
    model = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 3))
    ids, targets = torch.tensor([1, 2]), torch.tensor([0, 1])
    with gt.record(model) as recorded:
        loss = nn.functional.cross_entropy(model(ids), targets)
    graph = recorded.graph(loss, data=True)
    assert _data(graph) == [("ids", (2,)), ("targets", (2,))]
    assert {n.dtype for n in graph.nodes if n.kind == "data"} == {"int64"}
    assert ("ids", "Embedding") in arrows(graph)
    assert ("targets", "NllLoss") in arrows(graph)
