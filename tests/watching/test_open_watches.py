"""Watches that cross each other: each sees its own, and all is put back at the end."""

import asyncio
import collections
import contextlib
import functools
import gc
import threading

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules import module as hooks_of_all
from torch.optim import optimizer as optimizers

import gradatim as gt
from gradatim.watching import patches
from tests.watching.test_patches import everything

X = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
Y = X.sum(1, keepdim=True)


def sound(steps=8, after=None):
    """Train without a mistake; ``after`` is called after each update."""
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        F.mse_loss(model(X), Y).backward()
        optimizer.step()
        if after is not None:
            after()


def accumulating(steps=8, after=None):
    """Train, and never set the gradients to zero (GT101)."""
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(steps):
        F.mse_loss(model(X), Y).backward()
        optimizer.step()
        if after is not None:
            after()


def codes(watch):
    return [finding.code for finding in watch.findings if finding.severity != "info"]


SICK = ["GT101"]


@pytest.fixture(autouse=True)
def all_is_put_back():
    sound()  # torch imports a part of itself only then
    names, hooks = everything()
    tables = [getattr(owner, name) for owner, name, _ in patches.OWN_TABLES]
    always_called = dict(hooks_of_all._global_forward_hooks_always_called)
    yield
    after, hooks_after = everything()
    assert [key for key in names if after[key] is not names[key]] == []
    assert after.keys() == names.keys() and hooks_after == hooks
    for (owner, name, _), table in zip(patches.OWN_TABLES, tables, strict=True):
        assert getattr(owner, name) is table
    assert hooks_of_all._global_forward_hooks_always_called == always_called


def test_the_two_programs_differ():
    with gt.watch() as watch:
        accumulating()
    assert codes(watch) == SICK
    with gt.watch() as watch:
        sound()
    assert codes(watch) == []


@pytest.mark.parametrize("closed_first", [0, 1, 2])
def test_watches_are_closed_in_any_order(closed_first):
    contexts = [gt.watch() for _ in range(3)]
    watches = [context.__enter__() for context in contexts]
    sound(steps=4)
    for number in (closed_first, (closed_first + 1) % 3):
        contexts[number].__exit__(None, None, None)
        sound(steps=4)
    contexts[(closed_first + 2) % 3].__exit__(None, None, None)
    sound(steps=4)
    seen = [watches[(closed_first + n) % 3].seen.num_steps for n in range(3)]
    assert seen == [4, 8, 12]


def test_a_watch_that_is_closed_twice_over_by_exceptions():
    with pytest.raises(ZeroDivisionError), gt.watch() as outer:
        with contextlib.suppress(KeyError), gt.watch() as inner:
            sound(steps=3)
            raise KeyError
        sound(steps=2)
        raise ZeroDivisionError
    assert (inner.seen.num_steps, outer.seen.num_steps) == (3, 5)


def test_threads_see_their_own():
    found, failed = {}, []
    meet = threading.Barrier(3)

    def work(name, train):
        try:
            meet.wait()
            with gt.watch() as watch:
                train(steps=60)
            found[name] = (watch.seen.num_steps, codes(watch))
        except BaseException as error:
            failed.append(error)

    programs = {"a": sound, "b": accumulating, "c": sound}
    threads = [threading.Thread(target=work, args=each) for each in programs.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert found == {"a": (60, []), "b": (60, SICK), "c": (60, [])}


def test_watches_come_and_go_while_another_thread_trains():
    """It is not watched, has a hook of its own for all optimizers, and never fails."""
    failed, num_hooked, ended = [], [], threading.Event()

    def work():
        try:
            sound(steps=400)
        except BaseException as error:
            failed.append(error)
        finally:
            ended.set()

    handle = optimizers.register_optimizer_step_pre_hook(
        lambda *args: num_hooked.append(1)
    )
    try:
        thread = threading.Thread(target=work)
        thread.start()
        while not ended.is_set():
            with gt.watch() as watch:
                pass
            assert watch.seen.num_steps == 0
        thread.join()
    finally:
        handle.remove()
    assert failed == [] and len(num_hooked) == 400


def test_a_hook_of_the_users_outlives_the_watch_and_is_removed_by_its_handle():
    calls = []
    with gt.watch():
        handle = optimizers.register_optimizer_step_post_hook(
            lambda *args: calls.append(1)
        )
        sound(steps=2)
    sound(steps=3)
    assert len(calls) == 5
    handle.remove()
    sound(steps=1)
    assert len(calls) == 5
    before = optimizers.register_optimizer_step_pre_hook(lambda *args: calls.append(1))
    with gt.watch() as watch:
        sound(steps=1)
        before.remove()
        sound(steps=1)
    assert len(calls) == 6 and watch.seen.num_steps == 2


class Raising(nn.Module):
    def forward(self, x):
        raise ZeroDivisionError("of the user")


@pytest.mark.parametrize("is_open", [False, True])
def test_watches_come_and_go_while_a_forward_of_another_thread_has_raised(is_open):
    """PyTorch walks through the hooks of all modules then, and calls these."""
    contexts, called = [gt.watch()], []
    context = contexts[0]
    with contextlib.ExitStack() as stack:

        def in_another_thread(change):
            thread = threading.Thread(target=change)
            thread.start()
            thread.join()

        def other_thread(*args):
            if contexts:
                contexts.pop()
                close = functools.partial(context.__exit__, None, None, None)
                in_another_thread(close if is_open else context.__enter__)
            called.append("first")

        for hook in (other_thread, lambda *args: called.append("second")):
            handle = hooks_of_all.register_module_forward_hook(hook, always_call=True)
            stack.callback(handle.remove)
        if is_open:
            context.__enter__()
        with pytest.raises(ZeroDivisionError, match="of the user"):
            Raising()(X)
    assert called == ["first", "second"]
    if not is_open:
        context.__exit__(None, None, None)


def test_a_hook_of_all_modules_outlives_the_watch_and_is_removed_by_its_handle():
    model, seen = nn.Linear(3, 1), []
    with gt.watch():
        always = hooks_of_all.register_module_forward_hook(
            lambda *args: seen.append("always"), always_call=True
        )
        keyed = hooks_of_all.register_module_forward_hook(
            lambda module, args, kwargs, output: seen.append(kwargs), with_kwargs=True
        )
        model(X)
    model(input=X)
    with pytest.raises(ZeroDivisionError):
        Raising()(X)
    assert len(seen) == 5 and seen[-1] == "always"
    with gt.watch():
        always.remove()
        model(X)
    keyed.remove()
    model(X)
    assert len(seen) == 6


def watched_steps(train, watches, steps):
    with gt.watch() as watch:
        watches.append(watch)
        for _ in train:
            yield
    del steps


def steps_of(train_one, num):
    for _ in range(num):
        train_one()
        yield


def make_step(is_sick):
    model = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step():
        if not is_sick:
            optimizer.zero_grad()
        F.mse_loss(model(X), Y).backward()
        optimizer.step()

    return step


def test_generators_in_turn_see_their_own():
    watches = []
    generators = [
        watched_steps(steps_of(make_step(sick), 8), watches, 8)
        for sick in (False, True, False)
    ]
    for _ in zip(*generators, strict=True):
        pass
    assert [watch.seen.num_steps for watch in watches] == [8, 8, 8]
    assert [codes(watch) for watch in watches] == [[], SICK, []]


def test_coroutines_in_turn_see_their_own():
    async def work(step):
        with gt.watch() as watch:
            for _ in range(8):
                step()
                await asyncio.sleep(0)
        return watch

    async def all_of_them():
        return await asyncio.gather(*(work(make_step(sick)) for sick in (True, False)))

    one, other = asyncio.run(all_of_them())
    assert (one.seen.num_steps, other.seen.num_steps) == (8, 8)
    assert (codes(one), codes(other)) == (SICK, [])


def test_a_context_manager_written_as_a_generator_sees_what_its_block_does():
    @contextlib.contextmanager
    def looking():
        with gt.watch() as watch:
            yield watch

    with looking() as watch:
        accumulating()
    assert codes(watch) == SICK
    with gt.watch() as outer, looking() as watch:
        accumulating()
    assert codes(watch) == codes(outer) == SICK


def test_a_generator_that_is_left_halfway_is_closed_with_it():
    watches = []
    generator = watched_steps(steps_of(make_step(True), 8), watches, 8)
    next(generator)
    assert F.mse_loss.__module__ == "torch.nn.functional"
    del generator
    gc.collect()
    assert not watches[0].seen.is_open


def test_a_watch_that_nobody_closes_is_closed_by_the_garbage_collector():
    context = gt.watch()
    watch = context.__enter__()
    sound(steps=2)
    del context
    gc.collect()
    sound(steps=2)
    assert watch.seen.num_steps == 2 and not watch.seen.is_open


def abandoned():
    """Give a watch that the garbage collector alone closes, as soon as it may."""
    context = gt.watch()
    watch = context.__enter__()
    holder = [context]
    holder.append(holder)
    return watch, holder


class FoundEmpty(collections.deque):
    """Garbage is collected just after this was found empty."""

    holder = ()

    def __len__(self):
        length = super().__len__()
        if length == 0 and self.holder:
            self.holder.clear()
            gc.collect()
        return length


def test_garbage_that_is_collected_after_the_last_change_is_no_later(monkeypatch):
    watch, FoundEmpty.holder = abandoned()
    monkeypatch.setattr(patches.OPEN, "_changes", FoundEmpty())
    with gt.watch():
        assert not watch.seen.is_open


class JustLocked:
    """Garbage is collected just after the lock was taken, or just before it is free."""

    def __init__(self, lock, holder, when):
        self.lock, self.holder, self.when = lock, holder, when

    def collect(self, when):
        if self.when == when:
            self.holder.clear()
            gc.collect()

    def __enter__(self):
        assert self.lock.acquire(timeout=5)
        self.collect("after")

    def __exit__(self, *error):
        self.collect("before")
        self.lock.release()


@pytest.mark.parametrize("when", ["after", "before"])
def test_garbage_that_is_collected_under_the_lock_waits_for_nobody(monkeypatch, when):
    watch, holder = abandoned()
    lock = JustLocked(patches.OPEN._lock, holder, when)
    monkeypatch.setattr(patches.OPEN, "_lock", lock)
    with gt.watch():
        assert not watch.seen.is_open


def test_garbage_that_is_collected_while_a_watch_opens_does_no_harm(monkeypatch):
    """The change under way makes the one of the garbage collector, too."""
    watch, holder = abandoned()
    add = patches.OPEN._add

    def collecting(each):
        holder.clear()
        gc.collect()
        add(each)

    monkeypatch.setattr(patches.OPEN, "_add", collecting)
    with gt.watch() as other:
        sound(steps=3)
    assert not watch.seen.is_open
    assert (watch.seen.num_steps, other.seen.num_steps) == (0, 3)


def test_a_watch_is_closed_by_another_thread():
    context = gt.watch()
    watch = context.__enter__()
    thread = threading.Thread(target=context.__exit__, args=(None, None, None))
    thread.start()
    thread.join()
    sound(steps=2)
    assert watch.seen.num_steps == 0


def test_every_watch_puts_the_same_functions_in_their_places():
    """``torch.compile`` keeps some by identity, which no other function may get."""
    with gt.watch():
        first, _ = everything()
    with gt.watch():
        second, _ = everything()
    outside, _ = everything()
    replaced = [key for key in first if first[key] is not outside.get(key)]
    assert len(replaced) > 40
    assert [key for key in replaced if first[key] is not second[key]] == []
