import random

import numpy as np
import pytest
import torch

from gradatim.rng import keeping_rng, rng_state, set_rng_state
from gradatim.store.pack import pack, unpack
from tests.bits import assert_same_bits, random_state

pytestmark = pytest.mark.usefixtures("unchecked")


def draw():
    """Draw from all three; a normal number leaves a second one for later."""
    return (
        torch.rand(3).tolist(),
        torch.randn(1).item(),
        np.random.rand(),
        np.random.randn(),
        random.random(),
        random.gauss(0, 1),
    )


def test_generators_go_on_from_where_they_were():
    draw()
    state = rng_state()
    assert_same_bits(rng_state(), state)
    first, later = draw(), draw()
    assert first != later
    set_rng_state(state)
    assert (draw(), draw()) == (first, later)


def test_state_is_no_view_of_the_generators():
    state = rng_state()
    first = draw()
    set_rng_state(state)
    draw()
    set_rng_state(state)
    assert draw() == first


def test_state_goes_through_a_file():
    draw()
    state = rng_state()
    found = unpack(*pack(state))
    first = draw()
    set_rng_state(found)
    assert draw() == first
    assert_same_bits(found, state)


def test_reading_moves_nothing():
    before = random_state()
    rng_state()
    assert_same_bits(random_state(), before)


def test_what_is_drawn_meanwhile_is_undone():
    before = random_state()
    with keeping_rng():
        draw()
    assert_same_bits(random_state(), before)
    with pytest.raises(KeyError), keeping_rng():
        draw()
        raise KeyError
    assert_same_bits(random_state(), before)


def test_state_of_another_kind_is_refused():
    state = rng_state()
    with pytest.raises(ValueError):
        set_rng_state({**state, "python": [3, torch.zeros(4, dtype=torch.int64), None]})
    with pytest.raises(ValueError):
        set_rng_state({**state, "numpy": ["PCG64", *state["numpy"][1:]]})


def test_devices_are_left_out_where_there_are_none():
    if not torch.cuda.is_initialized():
        assert rng_state()["cuda"] == []
    set_rng_state({**rng_state(), "cuda": [torch.zeros(16, dtype=torch.uint8)]})
