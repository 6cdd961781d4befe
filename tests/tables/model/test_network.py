import pytest
import torch
from torch import nn

from gradatim.tables.features import TableEncoder
from gradatim.tables.model.network import ResidualMLP, TableModel
from gradatim.tables.table import read_table
from tests.houses import with_target


def started(num_features=5, num_outputs=3):
    network = ResidualMLP(num_features, num_outputs, width=16, num_blocks=2)
    weight, bias = torch.randn(num_outputs, num_features), torch.randn(num_outputs)
    network.start_from(weight, bias)
    return network, weight, bias


def test_it_starts_from_zero():
    network = ResidualMLP(5, 3)
    assert torch.equal(network(torch.randn(7, 5)), torch.zeros(7, 3))


def test_it_starts_from_the_linear_model_it_is_given():
    network, weight, bias = started()
    x = torch.randn(7, 5)
    assert torch.equal(network(x), nn.functional.linear(x, weight, bias))


def test_the_residual_part_learns_from_the_first_step_on():
    network, _, _ = started()
    loss = network(torch.randn(7, 5)).square().mean()
    loss.backward()
    assert network.last.weight.grad.abs().sum() > 0
    assert network.linear.weight.grad.abs().sum() > 0


def test_the_numbers_of_blocks_and_units_are_as_asked():
    network = ResidualMLP(5, 3, width=16, num_blocks=4, dropout=0.0)
    assert len(network.blocks) == 4
    assert network.first.weight.shape == (16, 5)
    assert ResidualMLP(5, 3, num_blocks=0)(torch.zeros(2, 5)).shape == (2, 3)


def trained_like(num_features=5, num_outputs=3):
    network, _, _ = started(num_features, num_outputs)
    nn.init.normal_(network.last.weight)
    return network.eval()


def test_a_row_is_answered_alike_in_any_batch():
    """Within 1e-5: matrix products of other shapes round differently."""
    network, x = trained_like(), torch.randn(64, 5)
    whole = network(x)
    for rows in (1, 7, 32):
        parts = torch.cat([network(part) for part in x.split(rows)])
        torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-5)


def model_of(target):
    table = read_table(with_target(target), target=target)
    encoder = TableEncoder(table.schema).fit(table.x)
    labels = table.schema.labels
    num_outputs = len(labels) if table.schema.target.task == "classification" else 1
    network = trained_like(encoder.num_features, num_outputs)
    return TableModel(encoder, network, table.schema.target.task).eval(), table


@pytest.mark.parametrize(
    ("target", "shape"), [("price", ()), ("dear", ()), ("town", (3,))]
)
def test_outputs_have_the_shape_that_the_loss_takes(target, shape):
    model, table = model_of(target)
    assert model(table.x).shape == (160, *shape)
    one = {name: tensor[:1] for name, tensor in table.x.items()}
    assert model(one).shape == (1, *shape)


@pytest.mark.parametrize(("target", "num_classes"), [("dear", 2), ("town", 3)])
def test_answers_of_classes_are_probabilities(target, num_classes):
    model, table = model_of(target)
    answers = model.answers(model(table.x))
    assert answers.shape == (160, num_classes)
    torch.testing.assert_close(answers.sum(dim=1), torch.ones(160))
    assert (answers >= 0).all()


def test_binary_logits_stand_for_the_second_class():
    model, _ = model_of("dear")
    answers = model.answers(torch.tensor([0.0, 30.0, -30.0]))
    assert answers[0].tolist() == [0.5, 0.5]
    assert answers[1, 1] > 0.999 and answers[2, 0] > 0.999


def test_answers_of_a_regression_are_in_the_targets_units():
    model, table = model_of("price")
    model.fit_target(table.y)
    wide = table.y.double()
    assert model.target_mean == wide.mean()
    assert model.target_std == wide.std(correction=0)
    standardised = model.standardise(table.y)
    assert standardised.dtype == torch.float32
    assert standardised.mean().abs() < 1e-6
    answers = model.answers(standardised)
    assert answers.dtype == torch.float64
    torch.testing.assert_close(answers, wide, rtol=1e-6, atol=1e-4)


def test_a_target_that_does_not_vary_in_the_training_rows_stays_finite():
    model, _ = model_of("price")
    model.fit_target(torch.full((5,), 3.0))
    assert model.target_std == 1
    assert torch.equal(
        model.standardise(torch.tensor([3.0, 4.0])), torch.tensor([0.0, 1.0])
    )
