"""What compares two loops sees that they differ."""

import pytest
import torch

from tests.recipes.by_hand import assert_same

WEIGHTS = {"weight": torch.ones(2)}
NUMBERS = {"losses": [1.0], "means": {"val_loss": [2.0]}}
OTHERS = [
    ({"weight": torch.tensor([1.0, 1.0 + 2e-7])}, NUMBERS),
    (WEIGHTS, {**NUMBERS, "losses": [1.0000001]}),
    (WEIGHTS, {**NUMBERS, "means": {"val_loss": [2.0001]}}),
]


@pytest.mark.parametrize("other", OTHERS)
def test_a_difference_is_noticed(other):
    with pytest.raises((AssertionError, KeyError)):
        assert_same(lambda: (WEIGHTS, dict(NUMBERS)), lambda: (other[0], {**other[1]}))


def test_the_same_is_the_same_but_for_the_seed():
    def loop():
        return WEIGHTS, {"losses": [torch.rand(()).item()], "means": {}}

    assert_same(loop, loop)


def test_loops_that_train_nothing_are_noticed():
    with pytest.raises(AssertionError, match="nothing was trained"):
        assert_same(*[lambda: (WEIGHTS, {"losses": [], "means": {}})] * 2)
