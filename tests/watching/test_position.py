"""Which updates get a close look, and what is kept of many things."""

import threading

import torch

from gradatim.watching import FirstAndLast
from gradatim.watching.position import Position


def close_updates(position, most):
    close = []
    for update in range(most):
        position.num_updates = update
        if position.is_close:
            close.append(update)
    return close


def test_the_first_updates_and_round_ones_get_a_close_look():
    assert close_updates(Position(), 120) == [0, 1, 2, 3, 4, 5, 10, 20, 50, 100]


def test_a_later_training_gets_a_close_look_too():
    position = Position()
    position.num_updates = 30
    position.begin_phase()
    assert position.is_start and position.updates_of_phase == 0
    position.num_updates = 36
    assert not position.is_close
    position.num_updates = 40  # the tenth of this training
    assert position.is_close


def test_without_an_optimizer_backwards_count():
    position = Position()
    position.num_backwards = 60
    assert not position.is_close
    position.num_backwards = 100
    assert position.is_close
    position.num_backwards, position.is_asked = 60, True
    assert position.is_close


def test_another_thread_is_elsewhere():
    position, elsewhere = Position(), []
    thread = threading.Thread(target=lambda: elsewhere.append(position.is_elsewhere()))
    thread.start()
    thread.join()
    assert elsewhere == [True] and not position.is_elsewhere()


def test_a_look_that_fails_gives_none_and_is_over():
    position = Position()
    assert position.quietly(lambda: 1 / 0) is None
    assert position.quietly(lambda: (position.is_busy, torch.is_grad_enabled())) == (
        True,
        False,
    )
    assert not position.is_busy


def test_flags_are_as_they_were_after_one_in_another():
    position = Position()
    with position.inside("is_inside_backward"):
        with position.inside("is_inside_backward"):
            assert position.is_inside_backward
        assert position.is_inside_backward
    assert not position.is_inside_backward


class Event:
    def __init__(self, order):
        self.order = order


def test_the_first_the_last_and_what_was_looked_at_are_kept_in_order():
    kept = FirstAndLast(first=2, last=2)
    for order in range(10):
        kept.add(Event(order), looked_at=order in (4, 6))
    assert [event.order for event in kept] == [0, 1, 4, 6, 8, 9]
    assert (len(kept), kept.count, bool(kept), bool(FirstAndLast())) == (
        6,
        10,
        True,
        False,
    )
