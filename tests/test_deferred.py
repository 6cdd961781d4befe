import pytest
import torch

from gradatim.deferred import DeferredScalars


def test_values_come_in_order_and_once():
    scalars = DeferredScalars(window=3)
    seen = []
    for number in range(8):
        scalars.push(torch.tensor(float(number)), number)
        seen += scalars.arrived()
    assert seen == [(float(number), number) for number in range(6)]
    assert scalars.drain() == [(6.0, 6), (7.0, 7)]
    assert scalars.drain() == scalars.arrived() == []


def test_nothing_is_read_before_the_window_is_full():
    scalars = DeferredScalars(window=64)
    scalars.push(torch.tensor(1.0))
    assert scalars.arrived() == []
    assert scalars.drain() == [(1.0,)]


@pytest.mark.parametrize("weights", [[2, torch.tensor(3)], [torch.tensor(2), 3]])
def test_numbers_of_host_and_device_may_be_mixed(weights):
    scalars = DeferredScalars(window=2)
    for weight in weights:
        scalars.push(torch.tensor(1.0), weight)
    rows = scalars.drain()
    assert rows == [(1.0, 2), (1.0, 3)]
    assert not any(isinstance(value, torch.Tensor) for row in rows for value in row)


def test_nan_and_infinity_arrive_as_they_are():
    scalars = DeferredScalars()
    for value in (float("nan"), float("inf")):
        scalars.push(torch.tensor(value))
    (nan,), (infinite,) = scalars.drain()
    assert nan != nan and infinite == float("inf")
