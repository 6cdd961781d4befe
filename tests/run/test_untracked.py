"""What a loop moves and does not track is refused by its name, or named."""

import copy
import itertools
import random
import threading
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam
from torch.optim import optimizer as optimizers
from torch.optim.lr_scheduler import SequentialLR, StepLR
from torch.optim.swa_utils import AveragedModel

import gradatim as gt
from gradatim.errors import ConfigError
from gradatim.run.checkpoint import Checkpoints
from gradatim.torch_private import UPDATE_HOOKS
from tests.bits import assert_same_bits
from tests.run.forms import X, Y, network, states


def made(seed=0):
    torch.manual_seed(seed)
    model = network(dropout=0.0)
    return model, Adam(model.parameters(), lr=0.05)


def update(model, optimizer, x, y):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(x), y).backward()
    optimizer.step()


def begun(path, *, track=None, **options):
    """Give a run that tracks what it should, and its batches, three an epoch."""
    run = gt.Run(path, every_steps=1)
    run.track(**(track or {}))
    return run, run.batches((X, Y), **{"epochs": 2, "batch_size": 4, **options})


def refused(message):
    return pytest.raises(ConfigError, match=message)


def last_step(path):
    return Checkpoints(path).newest_header().step


# --- Optimizers -----------------------------------------------------------------------


def test_optimizer_that_is_not_tracked_is_refused_before_anything_is_saved(tmp_path):
    model, adam = made()
    _, batches = begun(tmp_path, track={"model": model})
    told = (
        r"^adam \(Adam\) makes updates in the loop and is not tracked; it holds "
        r"model\.0\.weight, model\.0\.bias, .*\n.*\n"
        r"Write run\.track\(\.\.\., adam=adam\) before"
    )
    with refused(told):
        for x, y in batches:
            update(model, adam, x, y)
    assert last_step(tmp_path) == 0


def test_one_of_two_optimizers_is_refused_by_name(tmp_path):
    model, first = made()
    critic, second = made(1)
    track = {"model": model, "critic": critic, "first": first}
    _, batches = begun(tmp_path, track=track)
    with refused(r"^second \(Adam\) makes .* it holds critic\.0\.weight"):
        for x, y in batches:
            update(model, first, x, y)
            update(critic, second, x, y)
    assert last_step(tmp_path) == 0


def test_optimizer_of_a_model_that_is_not_tracked_either(tmp_path):
    model, first = made()
    critic, second = made(1)
    _, batches = begun(tmp_path, track={"model": model, "first": first})
    with refused(r"^second .* none of the tracked param(.|\n)*Track what it moves"):
        for x, y in batches:
            update(model, first, x, y)
            update(critic, second, x, y)
    assert last_step(tmp_path) == 0


def test_optimizer_within_an_object_is_named_by_its_place(tmp_path):
    class Training:
        def __init__(self):
            self.model, self.adam = made()

        def go(self):
            _, batches = begun(tmp_path, track={"model": self.model})
            for x, y in batches:
                update(self.model, self.adam, x, y)

    with refused(r"^self\.adam \(Adam\)(.|\n)*track\(\.\.\., adam=self\.adam\)"):
        Training().go()


def test_optimizer_that_no_variable_names(tmp_path):
    model, adam = made()
    _, batches = begun(tmp_path, track={"model": model})
    steps = [lambda x, y: update(model, optimizer_of[0], x, y)]
    optimizer_of = (lambda hidden: (hidden,))(adam)
    del adam
    with refused(r"^(an optimizer|optimizer_of\[0\]) \(Adam\)"):
        for x, y in batches:
            steps[0](x, y)


def test_schedule_that_is_tracked_does_not_save_its_optimizer(tmp_path):
    model, adam = made()
    schedule = StepLR(adam, 1)
    _, batches = begun(tmp_path, track={"model": model, "schedule": schedule})
    with refused(r"^adam \(Adam\)"):
        for x, y in batches:
            update(model, adam, x, y)
            schedule.step()


def probe(model, x, y):
    """Score what a model has learned by a layer that is trained on its outputs."""
    layer = nn.Linear(1, 1)
    optimizer = SGD(layer.parameters(), lr=0.1)
    update(layer, optimizer, model(x).detach(), y)
    return optimizer


def test_optimizer_of_one_step_is_let_be(tmp_path):
    model, adam = made()
    _, batches = begun(tmp_path, track={"model": model, "adam": adam})
    for x, y in batches:
        update(model, adam, x, y)
        made_now = probe(model, x, y)
    assert isinstance(made_now, SGD)


def test_optimizer_of_two_steps_is_not(tmp_path):
    model, adam = made()
    _, batches = begun(tmp_path, track={"model": model, "adam": adam})
    hidden = []  # of one layer and its optimizer, made in the first step
    with refused(r"SGD\) makes updates in the loop"):
        for x, y in batches:
            update(model, adam, x, y)
            if not hidden:
                layer = nn.Linear(1, 1)
                hidden.append([(SGD(layer.parameters()),)])
            update(layer, hidden[0][0][0], y, y)


def test_a_run_within_a_run_has_its_own_optimizers(tmp_path):
    model, adam = made()
    _, batches = begun(tmp_path / "outer", track={"model": model, "adam": adam})
    for x, y in itertools.islice(batches, 3):
        update(model, adam, x, y)
        inner, sgd = made(1)[0], None
        sgd = SGD(inner.parameters(), lr=0.1)
        track = {"inner": inner, "sgd": sgd}
        _, inside = begun(tmp_path / f"{id(x)}", track=track, epochs=1)
        for u, v in inside:
            update(inner, sgd, u, v)


def test_other_threads_are_their_own(tmp_path):
    model, adam = made()
    other, sgd = made(1)
    _, batches = begun(tmp_path, track={"model": model, "adam": adam})
    for x, y in batches:
        update(model, adam, x, y)
        thread = threading.Thread(target=update, args=(other, sgd, x, y))
        thread.start()
        thread.join()
        other = copy.deepcopy(other)  # a new one: the old one would have changed
        sgd = Adam(other.parameters())


class Wrapped(torch.optim.Optimizer):
    """Saves the optimizer that it wraps, unless it forgets to."""

    def __init__(self, inner, forgets):
        super().__init__(inner.param_groups, {})
        self.inner, self.forgets = inner, forgets

    def step(self, closure=None):
        self.inner.step()

    def state_dict(self):
        return super().state_dict() if self.forgets else self.inner.state_dict()

    def load_state_dict(self, state):
        self.inner.load_state_dict(state)


def test_optimizer_in_a_tracked_one_that_saves_it(tmp_path):
    model, adam = made()
    wrapped = Wrapped(adam, forgets=False)
    _, batches = begun(tmp_path, track={"model": model, "wrapped": wrapped})
    for x, y in batches:
        update(model, wrapped, x, y)


class Algorithm:
    """An object of the user's that saves, or forgets, its optimizer."""

    def __init__(self, forgets):
        self.model, self.adam = made()
        self.forgets = forgets

    def state_dict(self):
        state = {"model": self.model.state_dict()}
        return state if self.forgets else {**state, "adam": self.adam.state_dict()}

    def load_state_dict(self, state):
        self.model.load_state_dict(state["model"])


@pytest.mark.parametrize("forgets", [False, True])
def test_optimizer_in_an_object_that_saves_or_forgets_it(forgets, tmp_path):
    algorithm = Algorithm(forgets)
    _, batches = begun(tmp_path, track={"algorithm": algorithm})
    if forgets:
        with refused(r"algorithm\.adam \(Adam\)"):
            for x, y in batches:
                update(algorithm.model, algorithm.adam, x, y)
    else:
        for x, y in batches:
            update(algorithm.model, algorithm.adam, x, y)


def test_nothing_is_left_behind(tmp_path):
    table = getattr(optimizers, UPDATE_HOOKS[1])
    before = dict(table)
    model, adam = made()
    for end in ("break", "error", "stop", "end"):
        run, batches = begun(tmp_path / end, track={"model": model, "adam": adam})
        try:
            for x, y in batches:
                update(model, adam, x, y)
                if end == "break":
                    break
                if end == "error":
                    raise KeyError
                if end == "stop":
                    run.stop("enough")
        except KeyError:
            pass
        batches.close()
        assert dict(table) == before


# --- All else -------------------------------------------------------------------------


class Shadow:
    """An average as many write it, over ``.data``."""

    def __init__(self, model):
        self.shadow = [p.detach().clone() for p in model.parameters()]

    def move(self, model):
        for mine, parameter in zip(self.shadow, model.parameters(), strict=True):
            mine.data.mul_(0.9).add_(parameter.data, alpha=0.1)


class SavedShadow(Shadow):
    def state_dict(self):
        return {"shadow": self.shadow}

    def load_state_dict(self, state):
        self.shadow = list(state["shadow"])


def moved_scaler(model, optimizer):
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    scaler.scale(torch.zeros(1))

    def move():
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()

    return scaler, move


def moved_average(model, optimizer):
    average = AveragedModel(model)
    return average, lambda: average.update_parameters(model)


def moved_schedule(model, optimizer):
    schedule = StepLR(optimizer, 1)
    return schedule, schedule.step


def moved_inner_schedule(model, optimizer):
    parts = [StepLR(optimizer, 9), StepLR(optimizer, 9)]
    schedule = SequentialLR(optimizer, parts, milestones=[3])
    return schedule, schedule.step


def moved_buffer(model, optimizer):
    norm = nn.BatchNorm1d(2)
    return norm, lambda: norm(X)


def moved_generator(model, optimizer):
    generator = torch.Generator()
    return generator, lambda: torch.rand(1, generator=generator)


def moved_numpy(model, optimizer):
    generator = np.random.default_rng(0)
    return generator, generator.random


def moved_legacy_numpy(model, optimizer):
    generator = np.random.RandomState(0)
    return generator, generator.rand


def moved_python(model, optimizer):
    generator = random.Random(0)
    return generator, generator.random


def moved_dict(model, optimizer):
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}

    def move():
        for name, parameter in model.named_parameters():
            weights[name].lerp_(parameter.detach(), 0.1)

    return weights, move


def moved_state(model, optimizer):
    weights = copy.deepcopy(model.state_dict())
    return weights, lambda: [w.mul_(0.9) for w in weights.values()]


def moved_backwards(model, optimizer):
    shadow = [p.detach().clone() for p in reversed(list(model.parameters()))]
    return shadow, lambda: [s.mul_(0.9) for s in shadow]


def moved_trained(model, optimizer):
    model[0].bias.requires_grad_(False)
    shadow = [p.detach().clone() for p in model.parameters() if p.requires_grad]
    return shadow, lambda: [s.mul_(0.9) for s in shadow]


def moved_tied(model, optimizer):
    """Its state has the tied weight twice, and one of its two buffers."""
    model.register_parameter("again", model[0].weight)
    model.register_buffer("mask", torch.ones(2), persistent=False)
    model.register_buffer("scale", torch.ones(3))
    return moved_state(model, optimizer)


def moved_list(model, optimizer):
    shadow = Shadow(model)
    return shadow.shadow, lambda: shadow.move(model)


def moved_copy(model, optimizer):
    """A copy that is moved over ``.data``, which counts no change."""
    average = copy.deepcopy(model)

    def move():
        pairs = zip(average.parameters(), model.parameters(), strict=True)
        for mine, parameter in pairs:
            mine.data.mul_(0.9).add_(parameter.data, alpha=0.1)

    return average, move


MOVED = {
    name.removeprefix("moved_"): function
    for name, function in dict(globals()).items()
    if name.startswith("moved_")
}


def loop_with(path, make, track=False, seed=0, stop=None):
    model, optimizer = made(seed)
    thing, move = make(model, optimizer)
    tracked = {"thing": thing} if track else {}
    run, batches = begun(
        path, track={"model": model, "optimizer": optimizer, **tracked}
    )
    for x, y in batches:
        update(model, optimizer, x, y)
        move()
        if run.step == stop:
            break
    return model, optimizer


@pytest.mark.parametrize("name", MOVED)
def test_what_moves_and_is_not_tracked_is_refused_by_name(name, tmp_path):
    kind = type(MOVED[name](*made())[0]).__name__
    with refused(rf"^thing \((a )?{kind}.* changes in the loop(.|\n)*thing=thing\)"):
        loop_with(tmp_path, MOVED[name])
    assert last_step(tmp_path) == 0


@pytest.mark.parametrize(
    "name", [n for n in MOVED if not isinstance(MOVED[n](*made())[0], (dict, list))]
)
def test_what_is_tracked_is_no_stranger_and_goes_on(name, tmp_path, capsys):
    whole = states(loop_with(tmp_path / "whole", MOVED[name], track=True))
    loop_with(tmp_path / "x", MOVED[name], track=True, stop=3)
    found = states(loop_with(tmp_path / "x", MOVED[name], track=True, seed=9))
    assert_same_bits(found, whole)
    assert "resume is exact" in capsys.readouterr().err


def test_what_is_in_an_object_that_saves_it_is_no_stranger(tmp_path):
    model, optimizer = made()
    shadow = SavedShadow(model)
    track = {"model": model, "optimizer": optimizer, "shadow": shadow}
    _, batches = begun(tmp_path, track=track)
    for x, y in batches:
        update(model, optimizer, x, y)
        shadow.move(model)


def test_an_average_in_an_object_is_named_by_what_can_be_tracked(tmp_path):
    for kind, told in (
        (Shadow, r"^shadow\.shadow \(a list of 4 (.|\n)*Keep it in an object with"),
        (SavedShadow, r"^shadow\.shadow \(a list(.|\n)*track\(\.\.\., shadow=shadow\)"),
    ):
        model, optimizer = made()
        shadow = kind(model)
        track = {"model": model, "optimizer": optimizer}
        _, batches = begun(tmp_path / kind.__name__, track=track)
        with refused(told):
            for x, y in batches:
                update(model, optimizer, x, y)
                shadow.move(model)


def test_schedule_of_a_step_is_named_with_the_step(tmp_path):
    model, optimizer = made()
    step = gt.make_train_step(
        model, nn.MSELoss(), optimizer, lr_scheduler=StepLR(optimizer, 1)
    )
    _, batches = begun(tmp_path, track={"model": model, "optimizer": optimizer})
    told = r"^step\.lr_scheduler \(StepLR\) changes (.|\n)*Write run\.track\(step\)"
    with refused(told):
        for x, y in batches:
            step(x, y)


def passed_on(batches):
    for batch in batches:
        helper = nn.Linear(1, 1)
        yield batch
        assert helper is not None


class Ahead:
    """An iterator as a class, as some that fetch ahead are."""

    def __init__(self, batches):
        self.batches = iter(batches)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.batches)


@pytest.mark.parametrize(
    "wrapped",
    [
        iter,
        lambda b: (batch for _, batch in enumerate(b)),
        lambda b: map(tuple, b),
        lambda b: itertools.islice(b, 99),
        lambda b: (pair[0] for pair in zip(b, itertools.count(), strict=False)),
        passed_on,
        Ahead,
        lambda b: passed_on(Ahead(b)),
    ],
)
def test_a_loop_is_found_behind_other_iterators(wrapped, tmp_path):
    model, optimizer = made()
    average = AveragedModel(model)
    track = {"model": model, "optimizer": optimizer}
    _, batches = begun(tmp_path, track=track)
    with refused(r"^average \(AveragedModel\)"):
        for x, y in wrapped(batches):
            update(model, optimizer, x, y)
            average.update_parameters(model)


def test_variables_of_the_file_are_looked_at(tmp_path):
    global SHARED
    model, optimizer = made()
    SHARED = AveragedModel(model)
    try:
        _, batches = begun(tmp_path, track={"model": model, "optimizer": optimizer})
        with refused(r"^SHARED \(AveragedModel\)"):
            for x, y in batches:
                update(model, optimizer, x, y)
                SHARED.update_parameters(model)
    finally:
        SHARED = None


SHARED = None


@pytest.mark.parametrize(
    "keep", [lambda m: [m], lambda m: {"ema": m}, lambda m: SimpleNamespace(ema=m)]
)
def test_what_stands_in_a_collection_is_found(keep, tmp_path):
    model, optimizer = made()
    kept = keep(AveragedModel(model))
    average = (kept[0] if isinstance(kept, list) else None) or getattr(
        kept, "ema", None
    )
    average = average or kept["ema"]
    move = average.update_parameters
    del average
    _, batches = begun(tmp_path, track={"model": model, "optimizer": optimizer})
    with refused(r"^kept(\[0\]|\['ema'\]|\.ema) \(AveragedModel\)"):
        for x, y in batches:
            update(model, optimizer, x, y)
            move(model)


def test_what_comes_later_is_looked_at_from_then_on(tmp_path):
    model, optimizer = made()
    run, batches = begun(tmp_path, track={"model": model, "optimizer": optimizer})
    average = None
    with refused(r"^average \(AveragedModel\)"):
        for x, y in batches:
            update(model, optimizer, x, y)
            if run.step == 2:
                average = AveragedModel(model)
            if run.step > 2:
                average.update_parameters(model)
    assert last_step(tmp_path) == 3


# --- What is let be -------------------------------------------------------------------


def test_what_stands_still_or_is_tracked_under_another_name_is_let_be(tmp_path, capsys):
    def train(seed, stop=None):
        teacher = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1)).eval()
        nn.init.ones_(teacher[0].weight)
        nn.init.ones_(teacher[0].bias)
        model, optimizer = made(seed)
        head, whole = model[2], nn.ModuleDict({"model": model})
        alive = model.state_dict()
        weights = [p.data for p in model.parameters()]
        generator = torch.Generator().manual_seed(1)
        optimizers = [optimizer]
        unused = SGD(teacher.parameters(), lr=0.1)
        loop_of = torch.compile(model, backend="eager")
        losses, gradients, best = [], None, None
        run, batches = begun(
            tmp_path / "x", track={"model": model, "optimizer": optimizer}
        )
        for x, y in batches:
            update(model, optimizers[0], x, y + teacher(x))
            loss = model(x).sum()
            losses.append(loss.detach())
            gradients = torch.autograd.grad(loss, list(model.parameters()))
            gradients = [0.5 * g for g in gradients]
            run.log(norm=sum(g.sum() for g in gradients))
            if run.step == stop:
                break
        return (
            states([model, optimizer]),
            head,
            whole,
            alive,
            weights,
            generator,
            (
                unused,
                loop_of,
                best,
            ),
        )

    train(0, stop=3)
    train(5)
    assert capsys.readouterr().err.count("resume is exact") == 1


def test_lists_of_gradients_are_other_ones_each_time(tmp_path):
    """An address may come again; it is no list that has changed."""
    model, optimizer = made()
    _, batches = begun(tmp_path, track={"model": model, "optimizer": optimizer})
    gradients = None
    for x, y in batches:
        update(model, optimizer, x, y)
        del gradients
        gradients = [p.grad.clone() for p in model.parameters()]
    assert len(gradients) == 4


def test_global_generators_by_other_names_are_let_be(tmp_path):
    one, two, three = torch.default_generator, np.random.mtrand._rand, random._inst
    _, batches = begun(tmp_path)
    for _ in batches:
        torch.rand(1), np.random.rand(), random.random()
    assert all((one, two, three))


def test_generator_of_the_data_is_let_be(tmp_path):
    generator = torch.Generator()
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(X), 4, shuffle=True, generator=generator
    )
    run = gt.Run(tmp_path, every_steps=1)
    assert len(list(run.batches(loader, epochs=2))) == 6


def test_a_look_keeps_no_tensors(tmp_path):
    """Before Python 3.13, a look at variables keeps them until the next one."""

    def train():
        _, batches = begun(tmp_path, epochs=1)
        for x in batches:
            last = torch.zeros(1)
            alive.append(weakref.ref(last))
            assert x is not None
            if len(alive) == 2:
                assert alive[0]() is None
        return alive

    alive = []
    train()


# --- In a new process -----------------------------------------------------------------


def test_copy_that_a_new_process_has_otherwise_is_a_reason(tmp_path, capsys):
    def train(seed, stop=None):
        model, optimizer = made(seed)
        teacher = copy.deepcopy(model)
        best = None
        run, batches = begun(
            tmp_path / "x", track={"model": model, "optimizer": optimizer}
        )
        for x, y in batches:
            update(model, optimizer, x, y)
            if run.step == 1:
                best = copy.deepcopy(model)
            if run.step == stop:
                break
        return teacher, best

    train(0, stop=4)
    assert (
        "will not be exact: best is not tracked and changes" in capsys.readouterr().err
    )
    train(0, stop=5)
    told = capsys.readouterr().err
    assert "not exact: best is not tracked and not as it was" in told
    assert "teacher" not in told
    train(7)
    assert "teacher is not tracked and not as it was" in capsys.readouterr().err


def test_a_step_that_a_break_leaves_is_told(tmp_path, capsys):
    model, optimizer = made()
    _, batches = begun(tmp_path, track={"model": model, "optimizer": optimizer})
    for x, y in batches:
        update(model, optimizer, x, y)
        break
    batches.close()
    told = capsys.readouterr().err
    assert "the loop was left in step 1, which does not count" in told
    assert "run.stop('why')" in told


@pytest.mark.parametrize("kind", ["MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"])
def test_states_of_numpys_generators_go_and_come(kind, tmp_path):
    def draw(seed, stop=None):
        generator = np.random.Generator(getattr(np.random, kind)(seed))
        run, batches = begun(tmp_path / "x", track={"noise": generator})
        drawn = []
        for _ in batches:
            drawn.append(generator.random(3, dtype=np.float32))
            if run.step == stop:
                break
        return drawn

    expected = np.random.Generator(getattr(np.random, kind)(1))
    whole = [expected.random(3, dtype=np.float32) for _ in range(6)]
    found = draw(1, stop=3)[:3] + draw(2)
    assert np.array_equal(found, whole)
