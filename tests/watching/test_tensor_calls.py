"""Views that move a size, and outputs that meet every target."""

import torch
import torch.nn.functional as F
from torch import nn

from tests.watching.loops import line_with, watched


def test_a_view_that_moves_a_size_is_noted_with_its_shapes():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(5, 1)

        def forward(self, x):
            return self.layer(x.view(3, 8, 5))  # view

    with watched() as watcher:
        F.mse_loss(Net()(torch.randn(8, 3, 5)), torch.zeros(3, 8, 1))
    (view,) = watcher.seen.tensor_calls.views
    assert view.line.number == line_with("view", __file__)
    assert view.place[0] == view.line.number
    (call,) = view.calls
    assert (call.before, call.after) == ((8, 3, 5), (3, 8, 5))
    assert call.given == (3, 8, 5) and call.moved == (8, 3)
    assert call.root == (8, 3, 5) and call.target == (3, 8, 1)
    assert call.most_at_once == 1 and not call.is_undone and not call.grad


def test_a_view_that_is_taken_back_is_undone():
    class Net(nn.Module):
        def forward(self, x):
            return torch.relu(x.view(3, 8, 5)).reshape(8, 3, 5)

    with watched() as watcher:
        Net()(torch.randn(8, 3, 5))
    calls = [call for view in watcher.seen.tensor_calls.views for call in view.calls]
    assert len(calls) == 2 and all(call.is_undone for call in calls)


def test_a_view_that_moves_nothing_is_left_alone():
    with watched() as watcher:
        torch.randn(8, 3, 5).view(8, 15)
        torch.randn(8, 6).reshape(8, 2, 3)
    assert watcher.seen.tensor_calls.views == []


def test_a_column_against_a_vector_is_a_metric():
    model = nn.Linear(2, 1)
    x, y = torch.randn(8, 2), torch.randn(8)
    with watched() as watcher, torch.no_grad():
        output = model(x)
        F.mse_loss(output.squeeze(1), y)
        errors = (output - y).abs()  # compared
        (output.squeeze(1) - y).abs()
    (metric,) = watcher.seen.tensor_calls.metrics
    assert (metric.operation, metric.rows, metric.column_is_output) == ("-", 8, True)
    assert (metric.left, metric.right) == ((8, 1), (8,))
    assert metric.line.number == line_with("compared", __file__)
    assert abs(metric.of_pairs - float(errors.mean())) < 1e-6
    own = (output.squeeze(1) - y).abs().mean()
    assert abs(metric.of_rows - float(own)) < 1e-6
    assert not metric.is_on_purpose


def test_two_numbers_of_rows_are_compared_on_purpose():
    model = nn.Linear(2, 1)
    x, y = torch.randn(8, 2), torch.randn(8)
    with watched() as watcher, torch.no_grad():
        output = model(x)
        F.mse_loss(output.squeeze(1), y)
        for targets in (y, y[:5]):
            (output - targets).abs()
    (metric,) = watcher.seen.tensor_calls.metrics
    assert metric.is_on_purpose
