import pytest
import torch
from torch import nn

from tests.bits import assert_same_bits, bits_of, random_state


@pytest.mark.parametrize(
    "one, other",
    [
        (torch.tensor(1.0), torch.tensor(1.0).nextafter(torch.tensor(2.0))),
        (torch.tensor(1.0), torch.tensor(1.0, dtype=torch.float64)),
        (torch.tensor(1.0), torch.tensor(float("nan"))),
        (torch.ones(2), torch.ones(2, 1)),
        ({"a": 1}, {"b": 1}),
        ({"a": torch.ones(1)}, {"a": torch.zeros(1)}),
        ([torch.ones(1)], []),
        ([1.0], (1.0,)),
        (0.1 + 0.2, 0.3),
        (None, 1),
    ],
)
def test_the_comparison_sees_a_difference(one, other):
    assert_same_bits(one, one)
    with pytest.raises(AssertionError):
        assert_same_bits(one, other)


def test_the_copied_state_sees_weights_gradients_and_modes_change():
    model = nn.Sequential(nn.Linear(1, 1), nn.Dropout())
    for change in (
        lambda: model[0].weight.data.add_(1),
        lambda: model(torch.ones(1, 1)).sum().backward(),
        lambda: model[1].eval(),
    ):
        before = bits_of(model)
        assert_same_bits(before, bits_of(model))
        change()
        with pytest.raises(AssertionError):
            assert_same_bits(before, bits_of(model))


def test_the_copied_optimizer_state_sees_a_step():
    parameter = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1, momentum=0.9)
    before = bits_of(optimizer)
    parameter.grad = torch.ones(1)
    optimizer.step()
    with pytest.raises(AssertionError):
        assert_same_bits(before, bits_of(optimizer))


def test_the_random_state_sees_a_draw():
    before = random_state()
    assert_same_bits(before, random_state())
    torch.rand(1)
    with pytest.raises(AssertionError):
        assert_same_bits(before, random_state())
