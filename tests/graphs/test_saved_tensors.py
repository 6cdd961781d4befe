"""What operations keep for backward is shown, and never unpacked."""

import pytest
import torch
from torch import nn
from torch.autograd.graph import save_on_cpu, saved_tensors_hooks

import gradatim as gt
from tests.graphs import models
from tests.graphs.drawn import drawn, node


def test_saved_tensors_have_their_sizes_until_backward():
    weight = torch.rand(2, 3, requires_grad=True)
    loss = weight.exp().sum()
    (saved,) = node(gt.graph(loss), "Exp").saved
    assert (saved.name, saved.state, saved.shape) == ("result", "kept", (2, 3))
    assert gt.graph(loss).num_saved_bytes == saved.num_bytes == 24
    loss.backward()
    (saved,) = node(gt.graph(loss), "Exp").saved
    assert (saved.state, saved.shape, saved.num_bytes) == ("freed", None, 0)
    assert gt.graph(loss).num_saved_bytes == 0
    drawn(gt.graph(loss))


def test_an_inputs_own_tensor_is_kept_too():
    weight, other = (torch.rand(3, requires_grad=True) for _ in "wo")
    saved = node(gt.graph(weight * other), "Mul").saved
    assert [(s.name, s.state) for s in saved] == [("other", "kept"), ("self", "kept")]


def test_a_functions_own_saved_tensors_are_told():
    loss = models.custom()
    saved = node(gt.graph(loss), "Twice").saved
    assert [(s.state, s.shape) for s in saved] == [("kept", (3,))]
    loss.backward()
    assert {s.state for s in node(gt.graph(loss), "Twice").saved} == {"freed"}


def test_a_packed_tensor_is_never_unpacked():
    unpacked = []

    def unpack(packed):
        unpacked.append(packed)
        raise RuntimeError("unpacked")

    weight = torch.rand(3, requires_grad=True)
    with saved_tensors_hooks(lambda tensor: "packed", unpack), gt.record() as recorded:
        loss = (weight.exp() * weight).sum()
        custom = models.Twice.apply(weight).sum()
    for graph in (gt.graph([loss, custom]), recorded.graph([loss, custom], data=True)):
        drawn(graph)
        states = {s.state for n in graph.nodes for s in n.saved}
        assert states == {"packed"}
        assert graph.has_packed
    assert unpacked == []
    assert "unpacked" in gt.graph(loss).gradients().why_not


def test_tensors_saved_on_the_cpu_are_packed():
    weight = torch.rand(3, requires_grad=True)
    with save_on_cpu():
        loss = weight.exp().sum()
    graph = gt.graph(loss)
    assert node(graph, "Exp").saved[0].state == "packed"
    drawn(graph)
    assert graph.gradients().steps[-1].norm == pytest.approx(weight.exp().norm().item())


@pytest.mark.parametrize("compute", [models.checkpointed, models.checkpointed_segments])
def test_checkpointed_forwards_do_not_run_again(monkeypatch, compute):
    calls = []
    forward = nn.Linear.forward
    monkeypatch.setattr(
        nn.Linear, "forward", lambda self, x: calls.append(1) or forward(self, x)
    )
    loss = compute()
    num_calls = len(calls)
    assert num_calls > 0
    drawn(gt.graph(loss))
    assert len(calls) == num_calls
