"""What observers of models note: one small model each, whose facts are known."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gradatim.watching.held_out_rows import digests
from gradatim.watching.identities import identity_of
from gradatim.watching.inputs import input_numbers
from tests.watching.loops import line_with, train, watched

X, Y = torch.randn(8, 2), torch.randn(8, 1)


def two_layers():
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))


def test_a_model_is_noted_once_with_its_variable_and_calls():
    model = two_layers()
    with watched() as watcher:
        for _ in range(3):
            model(X)  # called here
    (record,) = watcher.seen.models
    assert (record.kind, record.variable, record.num_calls) == (
        "Sequential",
        "model",
        3,
    )
    assert record.title == "model" and record.ref() is model
    assert record.line.file == __file__
    assert record.line.number == line_with("called here", __file__)


def test_a_loss_is_no_model():
    with watched() as watcher:
        nn.MSELoss()(X, X)
    assert watcher.seen.models == [] and not watcher.seen.forwards


def test_parameters_are_named_and_counted():
    model = two_layers()
    with watched() as watcher:
        model(X)
    record = watcher.seen.models[0].parameters
    assert record.num_tensors == 4 and record.replaced == set()
    assert record.numels == {"0.weight": 6, "0.bias": 3, "2.weight": 3, "2.bias": 1}
    assert record.names[identity_of(model[0].bias)] == "0.bias"
    assert watcher.seen.names() == record.names


def test_a_replaced_layer_is_noticed():
    model = two_layers()
    with watched() as watcher:
        model(X)
        old = {identity_of(p) for p in model[2].parameters()}
        model[2] = nn.Linear(3, 8)
        model(X)
    record = watcher.seen.models[0]
    assert record.parameters.replaced == old
    assert record.parameters.numels["2.weight"] == 24
    assert record.initial.as_made == {"2"}
    assert record.structure.modules[identity_of(model[2])] == "2"


def test_structure_knows_kinds_modes_and_places():
    class Net(nn.Module):
        def __init__(self):  # init
            super().__init__()
            block = nn.Linear(2, 2)  # made
            self.blocks = nn.Sequential(block, block)
            self.drop = nn.Dropout(0.5)
            self.idle = nn.Dropout(0.0)

        def forward(self, x):
            return self.drop(self.idle(self.blocks(x)))

    with watched() as watcher:
        model = Net()
        model(X)
    record = watcher.seen.models[0].structure
    assert record.kinds == {"blocks.0": "Linear"}
    assert record.with_mode == {"drop": "Dropout"}
    assert record.repeated == {"blocks": ("Linear", 2, 2)}
    assert record.of_library == set()
    assert record.init_lines[""].number == line_with("init", __file__)
    assert record.made_at["blocks.0"].number == line_with("made", __file__)


def test_layers_are_called_in_order_and_meet():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(2, 3), nn.Linear(3, 1)
            self.spare = nn.Linear(9, 9)

        def forward(self, x):
            return self.second(self.first(x))

    with watched() as watcher:
        Net()(X)
    record = watcher.seen.models[0].layers
    assert record.called == ["first", "second"] and record.uncalled == {"spare"}
    assert record.chains == {("first", "second"): (2, 3, 1, False)}


def test_an_activation_parts_two_layers_and_neighbours_are_told():
    with watched() as watcher:
        two_layers()(X)
        nn.Sequential(nn.Linear(2, 4), nn.Identity(), nn.Linear(4, 1))(X)
    first, second = (model.layers.chains for model in watcher.seen.models)
    assert first == {} and second == {("0", "2"): (2, 4, 1, True)}


@pytest.mark.parametrize(("batch_first", "count"), [(False, 1), (True, 0)])
def test_layouts_are_those_of_layers_with_the_batch_along_dim_1(batch_first, count):
    model = nn.LSTM(2, 3, batch_first=batch_first)
    with watched() as watcher:
        model(torch.randn(5, 4, 2))
    layouts = list(watcher.seen.models[0].layers.layouts)
    assert len(layouts) == count
    for layout in layouts:
        assert (layout.name, layout.kind) == ("", "LSTM")
        assert layout.shape == layout.root_shape == (5, 4, 2)


def test_modules_in_a_plain_list_and_loose_leaves_are_unregistered():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(2, 1)]
            self.scale = torch.ones(1, requires_grad=True)

        def forward(self, x):
            return self.layers[0](x) * self.scale

    model = Net()
    with watched() as watcher:
        model(X)
    record = watcher.seen.models[0].unregistered
    assert list(record.modules) == ["layers[0]"]
    keys = tuple(identity_of(p) for p in model.layers[0].parameters())
    assert record.parameters == {"layers[0]": keys}
    assert record.leaves == {"scale": identity_of(model.scale)}


def test_modules_made_in_forward_are_counted():
    class Net(nn.Module):
        def forward(self, x):
            return nn.Linear(2, 1)(x)

    model = Net()
    with watched() as watcher:
        for _ in range(4):
            model(X)
    ((count, line),) = [watcher.seen.models[0].unregistered.made_anew["Linear"]]
    assert count == 4 and line.file == __file__


def test_forward_that_is_called_directly_is_noted_with_its_hooks():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, x):
            return self.layer(x)

    direct, usual = Net(), Net()
    direct.register_forward_hook(lambda *_: None)
    with watched() as watcher:
        direct.forward(X)  # direct
        usual(X)
    first, second = watcher.seen.models
    assert first.direct.line.number == line_with("direct", __file__)
    assert first.direct.has_hooks
    assert second.direct.line is None and not second.direct.has_hooks


def test_inputs_are_described_by_column():
    x = torch.tensor([[0.0, 10.0, 3.0], [2.0, 30.0, 3.0], [4.0, torch.nan, 3.0]])
    numbers = input_numbers(7, True, x)
    assert (numbers.step, numbers.training, numbers.shape) == (7, True, (3, 3))
    assert (numbers.num_bad, numbers.min, numbers.max) == (1, 0.0, 30.0)
    assert numbers.is_whole and numbers.mean_high == 20.0
    assert (numbers.std_low, numbers.column_low) == (1.0, 0)
    assert (numbers.std_high, numbers.column_high) == (10.0, 1)
    assert input_numbers(0, True, torch.arange(6).reshape(2, 3)) is None


def test_inputs_with_a_graph_are_no_data():
    model = nn.Linear(2, 1)
    with watched() as watcher:
        model(X)
        model(X.clone().requires_grad_())
    assert watcher.seen.models[0].inputs.count == 1


def test_outputs_of_leaf_modules_have_their_spread():
    model = nn.Sequential(nn.Linear(2, 1), nn.Tanh())
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[3.0, -1.0]]))
        model[0].bias.zero_()
    with watched() as watcher:
        model(x)
    outputs = list(watcher.seen.models[0].outputs)
    assert [(o.step, o.name, o.kind) for o in outputs] == [
        (0, "0", "Linear"),
        (0, "1", "Tanh"),
    ]
    assert outputs[0].std == 2.0


def test_rows_are_trained_or_held_out():
    model = nn.Linear(2, 1)
    val_x = torch.randn(5, 2)
    with watched() as watcher:
        train(model, X, Y)
        model.eval()
        with torch.no_grad():
            model(val_x)  # held out
    rows = watcher.seen.models[0].rows
    assert rows.trained == digests(X) and rows.held_out == digests(val_x)
    assert len(rows.held_out) == 5
    assert rows.held_out_line.number == line_with("held out", __file__)


def test_rows_in_eval_mode_that_a_backward_follows_are_trained():
    model, val_x = nn.Linear(2, 1).eval(), torch.randn(5, 2)
    with watched() as watcher:
        model(val_x).sum().backward()
        model(torch.randn(5, 2))
    rows = watcher.seen.models[0].rows
    assert rows.trained == digests(val_x) and rows.held_out == set()


def test_digests_are_of_bits_and_leave_out_whole_numbers():
    x = torch.tensor([[0.5, 0.25], [0.5, 0.25], [0.25, 0.5], [1.0, 2.0]])
    assert len(digests(x)) == 2
    assert digests(x) == digests(x.flip(0)) and digests(x.long()) == set()


def test_frozen_norms_that_drift():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    model[:2].requires_grad_(False)
    with watched() as watcher:
        train(model, 10 + X, Y, num_steps=4)
    drift = watcher.seen.models[0].drift
    assert drift.names == ("1",)
    assert (drift.num_frozen, drift.num_parameters) == (4, 6)
    assert drift.shift > 0.05 and drift.line.function == "train"


def test_norms_in_eval_mode_or_trained_do_not_drift():
    still = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 1))
    still[:2].requires_grad_(False)
    still[1].eval()
    trained = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    with watched() as watcher:
        train(still, X, Y)
        train(trained, X, torch.zeros(8, 3))
    assert [model.drift.names for model in watcher.seen.models] == [(), ()]


def test_layers_as_made_are_those_nobody_changed():
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 1))
    with torch.no_grad():
        model[1].weight.mul_(3)
    with watched() as watcher:
        with torch.no_grad():
            model(torch.randn(4, 8))
        assert watcher.seen.models[0].initial.as_made is None
        model(torch.randn(4, 8))
    # The last layer has too few numbers to tell.
    assert watcher.seen.models[0].initial.as_made == {"0"}


def test_freezing_knows_who_asks_and_what_is_mistyped():
    model = two_layers()
    model[0].requires_grad = False  # a module has no such attribute
    model[2].bias.requires_grad_(False)
    with watched() as watcher:
        train(model, X, Y, num_steps=1)
    record = watcher.seen.models[0].freezing
    assert record.mistyped == {"0": ("requires_grad", 2)}
    assert record.trainable == {"0.weight", "0.bias", "2.weight"}
    assert identity_of(model[2].weight) in record.asking
    assert identity_of(model[2].bias) not in record.asking


def test_forwards_know_mode_graph_use_source_and_input():
    first, second = nn.Linear(2, 3), nn.Linear(3, 1)
    with watched() as watcher:
        for _ in range(2):
            second(first(X)).sum().backward()
        with torch.no_grad():
            first.eval()(X)
    one, two, three, _, five = watcher.seen.forwards
    assert [f.model for f in watcher.seen.forwards] == [0, 1, 0, 1, 0]
    assert one.used and two.used and not five.used
    assert one.grad and not five.grad and one.training and not five.training
    assert two.source == one.order and one.source is None
    assert not one.same_input and three.same_input
    assert one.inputs[0].shape == (8, 2) and one.outputs[0].shape == (8, 3)


def test_forwards_name_parts_in_another_mode_and_moved_buffers():
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5))
    with watched() as watcher:
        model(X)
        model(X)
        model[1].eval()
        model[0].eval()
        model(X)
    first, second, third = watcher.seen.forwards
    assert first.modes == second.modes == () and third.modes == ("0", "1")
    assert second.moved == ("0.num_batches_tracked",)
    assert third.moved == ()


def test_modes_are_noted_once_for_the_outermost_module():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    with watched() as watcher:
        model.eval()
        model.train()
    changes = [(key, training) for _, key, training, _ in watcher.seen.modes.changes]
    assert changes == [(id(model), False), (id(model), True)]


def test_functional_dropout_at_work_in_eval_mode():
    class Net(nn.Module):
        def forward(self, x):
            return F.dropout(x, 0.5)  # drops

    model = Net()
    with watched() as watcher:
        model(X)
        assert not watcher.seen.modes.dropouts
        assert watcher.seen.models[0].structure.with_mode == {"F.dropout": "F.dropout"}
        model.eval()(X)
    ((_, line),) = watcher.seen.modes.dropouts
    assert line.number == line_with("drops", __file__)
