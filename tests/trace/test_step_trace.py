"""What a trace tells, as data, text and HTML."""

import html.parser
import json
import math
from collections import namedtuple

import pytest
import torch
from torch import nn

import gradatim as gt
from gradatim.trace.names import named_batch, named_tensors
from gradatim.trace.sections import sections_of
from tests.bits import assert_same_bits, bits_of
from tests.trace.models import MODELS, X, Y, made


def traced(model="linear", optimizer="SGD", **options):
    model, optimizer = made(model, optimizer)
    return gt.trace_step(model, nn.MSELoss(), optimizer, X, Y, **options)


# --- Data -----------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_to_dict_is_json(model):
    told = traced(model).to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert [each["name"] for each in told["inputs"]] == ["x", "y"]


def test_numbers_that_json_lacks_are_texts():
    model, optimizer = made()
    x = X.clone()
    x[0, 0] = torch.inf
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, x, Y)
    told = json.loads(json.dumps(trace.to_dict(), allow_nan=False))
    assert told["loss"] == "inf" and told["worst"][0]["loss"] == "inf"
    assert told["inputs"][0]["stats"]["num_inf"] == 1


def test_every_module_has_a_row_a_call():
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = nn.Linear(4, 4)
            self.out = nn.Sequential(nn.Linear(4, 1))
            self.unused = nn.Linear(2, 2)

        def forward(self, x):
            for _ in range(3):
                x = self.cell(x).tanh()
            return self.out(x)

    model = Loop()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    rows = [(each.module, each.call, each.kind) for each in trace.outputs]
    assert rows == [
        ("cell", 1, "Linear"),
        ("cell", 2, "Linear"),
        ("cell", 3, "Linear"),
        ("out.0", 1, "Linear"),
        ("out", 1, "Sequential"),
        ("", 1, "Loop"),
    ]
    hidden = model.cell(X)
    assert trace.outputs[0].stats.mean == pytest.approx(hidden.mean().item(), rel=1e-5)
    assert trace.outputs[0].stats.std == pytest.approx(
        hidden.std(correction=0).item(), rel=1e-5
    )
    gradients = {each.name: each.grad_norm for each in trace.parameters}
    assert gradients["unused.weight"] is None and gradients["cell.weight"] > 0
    text = trace.text()
    assert "cell #2" in text and "no gradient" in text and "(model)" in text


def test_outputs_that_are_many_tensors():
    Pair = namedtuple("Pair", "mean, rest")

    class Many(nn.Module):
        def forward(self, x):
            return Pair(x, {"a": (x, None), "b": "text"})

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.many, self.head = Many(), nn.Linear(4, 1)

        def forward(self, x):
            return self.head(self.many(x).mean)

    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    parts = [each.part for each in trace.outputs if each.module == "many"]
    assert parts == [".mean", ".rest['a'][0]"]


def test_an_output_is_seen_as_it_was_before_the_next_layer_changed_it():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    assert trace.outputs[0].stats.min < 0 == trace.outputs[1].stats.min
    assert trace.outputs[1].stats.zeros == (model[0](X) <= 0).float().mean()


def test_dropout_is_seen_in_train_mode_and_a_frozen_norm_in_its_own():
    trace = traced("one layer in eval mode, a weight frozen")
    modes = {each.kind: each.training for each in trace.outputs}
    assert modes == {
        "Linear": True,
        "BatchNorm1d": False,
        "ReLU": True,
        "Dropout": True,
        "Sequential": True,
    }
    assert "1 (eval)" in trace.text()
    frozen = trace.parameters[0]
    assert (frozen.name, frozen.status) == ("0.weight", "frozen")
    assert frozen.grad_norm is None and frozen.delta_norm == 0


def test_gradients_and_updates_are_those_of_a_step_by_hand():
    model, optimizer = made("tied", "momentum")
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    nn.MSELoss()(model(X), Y).backward()
    optimizer.step()
    assert [each.name for each in trace.parameters] == list(before)  # tied: once
    for each, parameter in zip(trace.parameters, model.parameters(), strict=True):
        old, grad = before[each.name], parameter.grad
        delta = (parameter - old).norm().item()
        assert each.grad_norm == pytest.approx(grad.norm().item(), rel=1e-5)
        assert each.grad_zeros == (grad == 0).float().mean().item()
        assert each.weight_norm == pytest.approx(old.norm().item(), rel=1e-5)
        assert each.delta_norm == pytest.approx(delta, rel=1e-5)
        assert each.ratio == pytest.approx(delta / old.norm().item(), rel=1e-5)
        assert each.status == "trained" and each.lr == 0.1
    joint = math.sqrt(sum(each.grad_norm**2 for each in trace.parameters))
    assert trace.grad_norm == pytest.approx(joint)


def test_a_weight_of_zeros_has_no_ratio():
    model, optimizer = made()
    nn.init.zeros_(model.bias)
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    assert trace.parameters[1].ratio is None and trace.parameters[1].delta_norm > 0


def test_the_optimizers_evaluations_are_counted():
    assert traced().num_evaluations == 1
    trace = traced(optimizer="LBFGS")
    assert trace.num_evaluations == 4  # its max_iter
    assert len(trace.outputs) == 1 and len(trace.sample_losses) == 8
    assert "asked for the loss 4 times" in trace.text()


def test_modules_that_are_called_again_in_backward_have_one_row():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
            self.last = nn.Linear(4, 1)

        def forward(self, x):
            hidden = torch.utils.checkpoint.checkpoint(
                self.first, x, use_reentrant=False
            )
            return self.last(hidden)

    model = Model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    names = [each.module for each in trace.outputs]
    assert names == ["first.0", "first.1", "first.2", "first", "last", ""]


def test_no_look_inside_what_hooks_would_change():
    trace = traced("transformer in eval mode")
    inside = [each for each in trace.outputs if each.module.startswith("1")]
    # The model trains, the layer does not: with hooks it would leave its fast path.
    assert (
        inside == [] and "no look inside 1 (TransformerEncoderLayer)" in trace.notes[0]
    )
    assert "Notes" in trace.text()


def test_a_compiled_model_is_traced_eagerly_on_a_copy():
    model, optimizer = made()
    compiled = torch.compile(model, backend="eager")
    trace = gt.trace_step(compiled, nn.MSELoss(), optimizer, X, Y)
    assert trace.notes == ("torch.compile was left out: the copy ran eagerly",)
    assert trace.model == "Linear" and trace.outputs[0].module == ""


@pytest.mark.parametrize("inner", [False, True])
def test_applied_what_is_compiled_stays_compiled(inner):
    left = []
    for apply in (True, False):
        model, optimizer = made("tied")
        graphs = []

        def backend(graph, _, graphs=graphs):
            graphs.append(graph)
            return graph.forward

        if inner:
            model.first = torch.compile(model.first, backend=backend)
        else:
            model = torch.compile(model, backend=backend)
        step = gt.make_train_step(model, nn.MSELoss(), optimizer)
        step(X, Y)
        count = len(graphs)
        if apply:
            trace = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y, apply=True)
            assert "no look inside" in trace.notes[0]
            assert trace.outputs[-1].stats.shape == (8, 1)
        else:
            step(X, Y)
        step(X, Y)
        assert len(graphs) == count > 0  # nothing was compiled again
        left.append(bits_of(model, optimizer))
    assert_same_bits(*left)


def test_parameters_that_are_made_in_the_step_or_never():
    class Lazy(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.LazyLinear(1), nn.LazyLinear(1)

        def forward(self, x):
            return self.used(x)

    model = Lazy()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    rows = {each.name: each for each in trace.parameters}
    used, unused = rows["used.weight"], rows["unused.weight"]
    assert used.shape == (1, 4) and used.grad_norm > 0 and used.delta_norm is None
    assert unused.shape == () and unused.grad_norm is None
    assert isinstance(model.used.weight, nn.UninitializedParameter)


def test_names_of_batches():
    pair = {"ids": X, "more": [Y, None]}
    names = [name for name, _ in named_batch((pair, Y), own_forward=False)]
    assert names == ["x['ids']", "x['more'][0]", "y"]
    names = [name for name, _ in named_batch((pair,), own_forward=True)]
    assert names == ["batch['ids']", "batch['more'][0]"]
    assert [n for n, _ in named_tensors(3, "x")] == []


# --- Text and HTML --------------------------------------------------------------------


def test_text_has_its_parts_in_order():
    text = str(traced())
    heads = [
        "One step of Linear: MSELoss, SGD(lr=0.1)",
        "Run on a copy: model and optimizer are as they were.",
        "Inputs",
        "1. Forward",
        "2. Loss",
        "3. Backward",
        "4. Update",
        "The numbers",
    ]
    places = [text.index(head) for head in heads]
    assert places == sorted(places)
    assert "The step was applied" in str(traced(apply=True))
    assert repr(traced()).startswith("<StepTrace of Linear: loss ")


def test_the_tutorials_line_fits_a_terminal():
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    (x, y), _ = gt.data.line_split(*gt.data.line())
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, x, y)
    assert max(map(len, trace.text().splitlines())) <= 80


def test_long_lists_are_shortened_in_text_alone():
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(100)), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    trace = gt.trace_step(model, nn.MSELoss(), optimizer, X, Y)
    assert len(trace.outputs) == 102 and len(trace.to_dict()["outputs"]) == 102
    assert "... 42 more, in to_dict()" in trace.text()
    assert all(len(section.rows) <= 61 for section in sections_of(trace))


HOSTILE = "<script>alert(1)</script>&\"'\x1b[31m"


def hostile():
    model = nn.Sequential()
    model.add_module(HOSTILE.replace(".", ""), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return gt.trace_step(
        model,
        nn.MSELoss(),
        optimizer,
        {HOSTILE: X},
        forward=lambda model, batch: (model(batch[HOSTILE]), Y),
    )


class Tags(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_hostile_names_stay_text():
    trace = hostile()
    known = {"style", "div", "h2", "h3", "p", "table", "tr", "th", "td"}
    assert {tag for tag, _ in Tags(trace._repr_html_()).tags} == known
    page = {tag for tag, _ in Tags(trace.html()).tags}
    assert page == known | {"html", "head", "meta", "link", "title", "body", "main"}
    assert "&lt;script&gt;" in trace.html()
    assert "\x1b" not in trace.text() and "<script>" in trace.text()


def test_the_page_asks_for_nothing():
    page = traced("dropout and batch norm").html()
    assert page.startswith("<!doctype html>")
    assert "default-src 'none'" in page and "://" not in page


def test_the_notebooks_piece_styles_nothing_but_itself():
    piece = traced()._repr_html_()
    style = piece[piece.index("<style>") + 7 : piece.index("</style>")]
    rules = [line for line in style.splitlines() if line.strip()]
    assert rules
    for rule in rules:
        for selector in rule.split("{")[0].split(","):
            assert selector.strip().startswith(".gradatim-trace")
    assert piece.count("<div") == piece.count("</div>")
    assert '<div class="gradatim-trace">' in piece


def test_save_writes_the_page(tmp_path):
    trace = traced()
    path = trace.save(tmp_path / "step.html")
    assert path.read_text(encoding="utf-8") == trace.html()
    with pytest.raises(OSError):
        trace.save(tmp_path / "nowhere" / "step.html")
