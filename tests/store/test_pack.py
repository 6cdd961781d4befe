"""State of any shape through JSON and safetensors and back, and what is refused."""

import copy
import enum
import functools
import json
import math
import types
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim import lr_scheduler
from torch.testing._internal.common_optimizers import optim_db

from gradatim.errors import ConfigError, DamagedError
from gradatim.store.json import in_utf8, parse_json
from gradatim.store.pack import MAX_DEPTH, is_plain, pack, unpack
from gradatim.store.tensors import CODES, read_tensors, tensor_parts
from tests.faults.hostile import HARMLESS_TREES, TREES
from tests.store.test_tensors import SHAPES, filled


def through_files(value):
    """As another process has it: nothing but bytes in between."""
    packed, tensors = pack(value, "state")
    text = in_utf8(json.dumps(packed, ensure_ascii=False, allow_nan=False))
    file = b"".join(bytes(part) for part in tensor_parts(tensors))
    return unpack(parse_json(text, "it"), read_tensors(file, "it"))


def check_same(ours, theirs, where="it"):
    """Equal to the bit, to the type and to the order; of tensors the strides, too."""
    assert type(ours) is type(theirs), f"{where}: {type(ours)} and {type(theirs)}"
    if isinstance(ours, torch.Tensor):
        for name in ("dtype", "shape", "device"):
            assert getattr(ours, name) == getattr(theirs, name), f"{where}: {name}"
        if ours.numel():
            assert ours.stride() == theirs.stride(), f"{where}: strides"
        ours, theirs = (x.detach().resolve_conj().resolve_neg() for x in (ours, theirs))
        assert torch.equal(bits(ours), bits(theirs)), f"{where}: values"
    elif isinstance(ours, np.ndarray):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), where
        assert ours.tobytes() == theirs.tobytes(), f"{where}: values"
    elif isinstance(ours, dict):
        check_same(list(ours), list(theirs), f"{where}'s keys")
        for key in ours:
            check_same(ours[key], theirs[key], f"{where}[{key!r}]")
        if isinstance(ours, defaultdict):
            assert ours.default_factory is theirs.default_factory
    elif isinstance(ours, (list, tuple, deque)):
        assert len(ours) == len(theirs), where
        for index, parts in enumerate(zip(ours, theirs, strict=True)):
            check_same(*parts, f"{where}[{index}]")
        if isinstance(ours, deque):
            assert ours.maxlen == theirs.maxlen
    elif isinstance(ours, (float, complex)):
        assert repr(ours) == repr(theirs), where  # NaN, and -0.0
    else:
        assert ours == theirs, f"{where}: {ours} and {theirs}"


def bits(tensor):
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    tensor = tensor.clone(memory_format=torch.contiguous_format)
    return tensor.reshape(-1).view(torch.uint8)


# --- Anything -------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec=None), max_size=6)
INTEGERS = st.integers(-(10**30), 10**30)
KEYS = st.recursive(
    st.none() | st.booleans() | INTEGERS | TEXTS | st.floats(allow_nan=False),
    lambda part: st.lists(part, max_size=2).map(tuple),
    max_leaves=3,
)
STRIDED = st.builds(
    lambda tensor, order: tensor.permute([d for d in order if d < tensor.dim()]),
    st.builds(filled, st.sampled_from(list(CODES)), SHAPES, st.integers(0, 99)),
    st.permutations(range(4)),
)
ARRAYS = st.builds(
    lambda shape, dtype, order: np.full(shape, 3, dtype=dtype, order=order),
    SHAPES,
    st.sampled_from("?bhilBHILefdFD"),
    st.sampled_from("CF"),
)
LEAVES = (
    st.none()
    | st.booleans()
    | INTEGERS
    | st.floats()
    | st.complex_numbers()
    | TEXTS
    | STRIDED
    | ARRAYS
    | st.sampled_from([torch.float32, torch.bool, torch.device("cpu"), torch.Size([2])])
)
STATES = st.recursive(
    LEAVES,
    lambda part: (
        st.lists(part, max_size=3)
        | st.lists(part, max_size=3).map(tuple)
        | st.builds(deque, st.lists(part, max_size=3), st.none() | st.just(3))
        | st.dictionaries(TEXTS, part, max_size=3)
        | st.dictionaries(KEYS, part, max_size=3)
        | st.sets(KEYS, max_size=3)
        | st.dictionaries(KEYS, st.integers(), max_size=3).map(Counter)
        | st.builds(
            defaultdict,
            st.sampled_from([None, int, list, dict]),
            st.dictionaries(KEYS, part, max_size=2),
        )
    ),
    max_leaves=12,
)


def plain_strides(value):
    """What is asked for of tensors: dense strides, in the order that they had."""
    if isinstance(value, torch.Tensor):
        return torch.empty_like(value).copy_(value)
    if isinstance(value, np.ndarray):
        return np.array(value, order="C")
    return value


@given(STATES)
def test_any_state_comes_back(state):
    check_same(through_files([state]), [copy_of(state)])


def copy_of(value):
    if isinstance(value, defaultdict):
        return defaultdict(value.default_factory, copy_of(dict(value)))
    if isinstance(value, Counter):
        return Counter(copy_of(dict(value)))
    if isinstance(value, dict):
        return {copy_of(key): copy_of(part) for key, part in value.items()}
    if isinstance(value, deque):
        return deque(map(copy_of, value), value.maxlen)
    if type(value) in (list, tuple):
        return type(value)(map(copy_of, value))
    return plain_strides(value)


@given(STATES)
def test_packing_leaves_the_state_as_it_is(state):
    before = copy.deepcopy(state)
    pack(state)
    check_same(state, before)


@pytest.mark.parametrize("kind", ["list", "tuple", "deque", "dict", "keys", "counter"])
def test_depth_is_the_same_for_the_writer_and_the_reader(kind):
    wrap = {
        "list": lambda part: [part],
        "tuple": lambda part: (part,),
        "deque": lambda part: deque([part], 3),
        "dict": lambda part: {"a": part},
        "keys": lambda part: {1: part},
        "counter": lambda part: Counter({"a": part}),
    }[kind]
    state = torch.ones(2, dtype=torch.complex64).t()
    for _ in range(MAX_DEPTH):
        state = wrap(state)
    check_same(through_files(state), state)
    with pytest.raises(ConfigError, match=r"is nested deeper than 50 levels\.\n.*\n"):
        pack(wrap(state))


def test_deep_keys_are_read_as_they_are_written():
    key = ()
    for _ in range(MAX_DEPTH - 2):
        key = (key,)
    check_same(through_files({key: 1}), {key: 1})
    with pytest.raises(ConfigError, match="deeper"):
        pack({((key,),): 1})


# --- Tensors --------------------------------------------------------------------------

IMAGES = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
STRIDES = {
    "channels last": IMAGES.to(memory_format=torch.channels_last),
    "channels last of one channel": torch.ones(2, 1, 3, 3).to(
        memory_format=torch.channels_last
    ),
    "channels last of one image": IMAGES[:1].to(memory_format=torch.channels_last),
    "channels last 3d": torch.ones(2, 3, 4, 5, 2).to(
        memory_format=torch.channels_last_3d
    ),
    "transposed": torch.arange(6.0).reshape(2, 3).t(),
    "row-major": IMAGES,
    "no dimension": torch.tensor(1.5),
    "strides of one": torch.empty_strided((1, 4), (9, 1)).fill_(2),
    "complex": torch.ones(3, 2, dtype=torch.complex128).t(),
    "conjugate": torch.tensor([1 + 2j]).conj(),
    "negative": torch.tensor([1 + 2j]).conj().imag,
}


@pytest.mark.parametrize("name", STRIDES)
def test_strides_are_kept(name):
    tensor = STRIDES[name]
    check_same(through_files({"x": tensor})["x"], tensor)


def test_channels_last_stays_so_for_the_kernels():
    again = through_files(STRIDES["channels last of one channel"])
    assert again.is_contiguous(memory_format=torch.channels_last)
    assert again.stride() == (9, 1, 3, 1)


@pytest.mark.parametrize(
    "tensor",
    [
        IMAGES[:, ::2],
        IMAGES[:1].expand(3, -1, -1, -1),
        IMAGES[..., 1:3].transpose(0, 1),
    ],
)
def test_a_part_of_a_tensor_takes_the_room_of_the_part(tensor):
    again = through_files(tensor)
    assert torch.equal(again, tensor)
    assert again.untyped_storage().nbytes() == 4 * tensor.numel()


def test_tensors_that_share_memory_come_back_as_two():
    weight = torch.ones(2)
    again = through_files({"a": weight, "b": weight})
    again["a"].zero_()
    assert again["b"].tolist() == [1, 1]


def test_parameters_and_buffers_come_back_as_tensors():
    state = nn.BatchNorm1d(2).state_dict()
    state["p"] = nn.Parameter(torch.ones(1))
    again = through_files(state)
    assert {type(value) for value in again.values()} == {torch.Tensor}
    assert not again["p"].requires_grad


@pytest.mark.parametrize(
    "name", ["__metadata__", "", "a\ud800", "$", "$a", "a.b", "weight'", "é", "\0"]
)
def test_names_that_could_be_mistaken(name):
    state = {name: torch.ones(1), "a": {"b": torch.ones(2)}, "weight": torch.ones(3)}
    check_same(through_files(state), state)
    packed, tensors = pack({name: torch.ones(1)})
    again = read_tensors(b"".join(map(bytes, tensor_parts(tensors))), "it")
    check_same(unpack(packed, again), {name: torch.ones(1)})


def test_keys_that_have_one_name_are_kept_apart():
    state = {1: torch.ones(1), "1": torch.ones(2), 1.5: torch.ones(3), "1.5": [1]}
    check_same(through_files(state), state)


# --- NumPy ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [
        np.array(5.0),
        np.arange(6).reshape(2, 3).T,
        np.arange(6)[::2],
        np.zeros((0, 3), dtype=np.float32),
        np.array([1 + 2j]),
        np.array([True, False]),
        np.arange(3, dtype=np.uint64),
    ],
)
def test_arrays_come_back(array):
    check_same(through_files(array), np.array(array, order="C"))


def test_arrays_of_other_byte_orders_come_back_in_this_machines():
    again = through_files(np.arange(3, dtype=">i4"))
    assert again.tolist() == [0, 1, 2] and again.dtype.isnative


@pytest.mark.parametrize(
    ("scalar", "value"),
    [
        (np.float64(1.5), 1.5),
        (np.float32(1.5), 1.5),
        (np.int8(-3), -3),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.bool_(True), True),
        (np.complex64(1 + 2j), 1 + 2j),
        (np.str_("a"), "a"),
        (np.float32("nan"), math.nan),
    ],
)
def test_scalars_come_back_as_numbers(scalar, value):
    check_same(through_files({"x": scalar}), {"x": value})


# --- Subclasses -----------------------------------------------------------------------


class Color(enum.IntEnum):
    RED = 1


class Word(str):
    pass


Pair = namedtuple("Pair", ["a", "b"])


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Color.RED, 1),
        (Word("a"), "a"),
        (Pair(1, 2), (1, 2)),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (types.MappingProxyType({"a": 1}), {"a": 1}),
        (nn.ParameterDict({"a": torch.ones(1)}).state_dict(), {"a": torch.ones(1)}),
    ],
)
def test_a_subclass_comes_back_as_what_it_is_made_from(value, plain):
    check_same(through_files(value), plain)


# --- What torch has -------------------------------------------------------------------


def optimizers():
    for info in optim_db:
        for number, options in enumerate(info.optim_inputs_func(device="cpu")):
            name = f"{info.optim_cls.__name__} {number} {options.desc}"
            yield pytest.param(info, options, id=name)


@pytest.mark.parametrize(("info", "options"), list(optimizers()))
def test_the_state_of_every_optimizer_comes_back(info, options):
    torch.manual_seed(0)
    sparse = info.only_supports_sparse_grads
    shape = (4, 3) if sparse or info.optim_cls.__name__ == "Muon" else (4,)
    parameters = [nn.Parameter(torch.randn(shape)), nn.Parameter(torch.randn(shape))]
    optimizer = info.optim_cls(parameters, **copy.deepcopy(options.kwargs))

    def closure():
        for parameter in parameters:
            parameter.grad = torch.randn(shape).to_sparse() if sparse else parameter + 1
        return torch.tensor(1.0)

    for _ in range(3):
        optimizer.step(closure)
    state = optimizer.state_dict()
    again = through_files({"optimizer": state})["optimizer"]
    check_same(again, state)
    copied = [nn.Parameter(parameter.detach().clone()) for parameter in parameters]
    other = info.optim_cls(copied, **copy.deepcopy(options.kwargs))
    other.load_state_dict(again)
    check_same(other.state_dict(), state)


def stepping(make, steps=5):
    """Make a schedule and let it go on for some steps."""
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=0.1, momentum=0.9)
    schedule = make(optimizer)
    for step in range(steps):
        optimizer.step()
        if isinstance(schedule, lr_scheduler.ReduceLROnPlateau):
            schedule.step(1.0 + step % 2)
        else:
            schedule.step()
    return optimizer, schedule


class Halving:
    """A schedule's function that remembers."""

    def __init__(self):
        self.calls = 0

    def __call__(self, epoch):
        self.calls += 1
        return 0.5**epoch


def in_sequence(optimizer):
    parts = [
        lr_scheduler.ConstantLR(optimizer),
        lr_scheduler.ExponentialLR(optimizer, 0.9),
    ]
    return lr_scheduler.SequentialLR(optimizer, parts, milestones=[3])


def chained(optimizer):
    parts = [lr_scheduler.ConstantLR(optimizer), in_sequence(optimizer)]
    return lr_scheduler.ChainedScheduler(parts, optimizer=optimizer)


SCHEDULES = {
    "ChainedScheduler": chained,
    "ConstantLR": lr_scheduler.ConstantLR,
    "CosineAnnealingLR": lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=7),
    "CosineAnnealingWarmRestarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(
        o, T_0=3, T_mult=2
    ),
    "CyclicLR": lambda o: lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=3),
    "ExponentialLR": lambda o: lr_scheduler.ExponentialLR(o, 0.9),
    "LambdaLR": lambda o: lr_scheduler.LambdaLR(o, lambda epoch: 0.9**epoch),
    "LinearLR": lr_scheduler.LinearLR,
    "MultiStepLR": lambda o: lr_scheduler.MultiStepLR(o, milestones=[2, 2, 4]),
    "MultiplicativeLR": lambda o: lr_scheduler.MultiplicativeLR(o, Halving()),
    "OneCycleLR": lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.5, total_steps=20),
    "PolynomialLR": lr_scheduler.PolynomialLR,
    "ReduceLROnPlateau": lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=1),
    "SequentialLR": in_sequence,
    "StepLR": lambda o: lr_scheduler.StepLR(o, step_size=2),
}
FURTHER = {
    "CyclicLR with a function": lambda o: lr_scheduler.CyclicLR(
        o, 0.01, 0.1, step_size_up=3, scale_fn=Halving(), scale_mode="iterations"
    ),
    "CyclicLR exp_range": lambda o: lr_scheduler.CyclicLR(
        o, 0.01, 0.1, step_size_up=3, mode="exp_range", gamma=0.9
    ),
    "LambdaLR with an object": lambda o: lr_scheduler.LambdaLR(o, Halving()),
    "OneCycleLR linear": lambda o: lr_scheduler.OneCycleLR(
        o, max_lr=0.5, total_steps=20, anneal_strategy="linear", three_phase=True
    ),
    "ReduceLROnPlateau max": lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="max"),
}


def test_no_schedule_of_torch_is_forgotten():
    classes = {
        name
        for name, value in vars(lr_scheduler).items()
        if isinstance(value, type)
        and issubclass(value, lr_scheduler.LRScheduler)
        and not name.startswith("_")
    }
    assert classes - {"LRScheduler", "SWALR"} == set(SCHEDULES)


@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*:UserWarning")
@pytest.mark.parametrize("name", SCHEDULES | FURTHER)
def test_the_state_of_every_schedule_comes_back_and_goes_on(name):
    make = (SCHEDULES | FURTHER)[name]
    optimizer, schedule = stepping(make)
    whole, _ = stepping(make, steps=9)
    state = {"schedule": schedule.state_dict(), "optimizer": optimizer.state_dict()}
    again = through_files(copy.deepcopy(state))
    check_same(again, state)
    other, schedule = stepping(make, steps=0)
    other.load_state_dict(again["optimizer"])
    schedule.load_state_dict(again["schedule"])
    for step in range(5, 9):
        if isinstance(schedule, lr_scheduler.ReduceLROnPlateau):
            schedule.step(1.0 + step % 2)
        else:
            schedule.step()
    assert other.param_groups[0]["lr"] == whole.param_groups[0]["lr"]


def test_the_state_of_averaged_models_and_swa_comes_back():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    averaged = torch.optim.swa_utils.AveragedModel(model)
    schedule = torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.05)
    averaged.update_parameters(model)
    optimizer.step()
    schedule.step()
    state = {"averaged": dict(averaged.state_dict()), "swa": schedule.state_dict()}
    check_same(through_files(state), state)


def test_the_state_of_a_grad_scaler_comes_back():
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=1)
    optimizer = torch.optim.SGD([weight := nn.Parameter(torch.ones(1))], lr=0.1)
    scaler.scale(weight.sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    state = scaler.state_dict()
    assert state["scale"] == 16.0
    again = through_files(state)
    check_same(again, state)
    other = torch.amp.GradScaler("cpu")
    other.load_state_dict(again)
    check_same(other.state_dict(), state)


class Noisy(nn.Module):
    """Parameters and buffers of many kinds, and a state beside."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 3, dtype=torch.bfloat16).t())
        self.phase = nn.Parameter(torch.ones(2, dtype=torch.complex64))
        self.register_buffer("seen", torch.tensor(3))
        self.register_buffer("mask", torch.tensor([True, False]))
        self.register_buffer("none", None)
        self.words = {"a": (1, 2)}

    def get_extra_state(self):
        return self.words

    def set_extra_state(self, state):
        self.words = state


def test_the_state_of_a_module_comes_back():
    model = nn.Sequential(Noisy(), nn.BatchNorm1d(2), nn.Embedding(3, 2), nn.LSTM(2, 2))
    state = dict(model.state_dict())
    again = through_files(state)
    check_same(
        again,
        {
            k: plain_strides(v.detach()) if isinstance(v, torch.Tensor) else v
            for k, v in state.items()
        },
    )
    other = nn.Sequential(Noisy(), nn.BatchNorm1d(2), nn.Embedding(3, 2), nn.LSTM(2, 2))
    other[0].words = {}
    other.load_state_dict(again)
    assert other[0].words == {"a": (1, 2)}


# --- What cannot be saved -------------------------------------------------------------


class Wrapper(torch.Tensor):
    """A tensor whose values lie elsewhere."""

    @staticmethod
    def __new__(cls, inner):
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape)

    @classmethod
    def __torch_dispatch__(cls, function, kinds, arguments=(), options=None):
        return Wrapper(torch.ones(2))


def local(epoch):
    return 1.0


with_lambda = {"lr_lambdas": [None, lambda epoch: 0.9]}
UNFIT = {
    "a function": lambda: (local, "builtins|function"),
    "a lambda in a schedule": lambda: (
        with_lambda,
        r"state\.x\.lr_lambdas\.1 is a .*function",
    ),
    "a partial function": lambda: (functools.partial(local, 1), r"functools\.partial"),
    "a class": lambda: (nn.Linear, r"builtins\.type"),
    "an object": lambda: (object(), r"builtins\.object"),
    "a module": lambda: (nn.Linear(1, 1), "Linear"),
    "bytes": lambda: (b"a", r"builtins\.bytes"),
    "a frozen set": lambda: (frozenset([1]), r"builtins\.frozenset"),
    "a generator": lambda: (torch.Generator(), "Generator"),
    "a range": lambda: (range(3), r"builtins\.range"),
    "a long integer": lambda: (10**301, "an integer of 1,000 bits"),
    "a sparse tensor": lambda: (torch.eye(2).to_sparse(), "layout torch.sparse_coo"),
    "a sparse row tensor": lambda: (
        torch.sparse_csr_tensor(
            torch.tensor([0, 1]), torch.tensor([0]), torch.ones(1), size=(1, 1)
        ),
        "layout torch.sparse_csr",
    ),
    "a tensor without values": lambda: (torch.ones(2, device="meta"), "on meta"),
    "a nested tensor": lambda: (
        torch.nested.nested_tensor([torch.ones(1)], layout=torch.jagged),
        "layout torch.jagged",
    ),
    "a wrapped tensor": lambda: (Wrapper(torch.ones(2)), "a Wrapper of layout"),
    "objects of NumPy": lambda: (np.array([object()]), "a NumPy array of object"),
    "texts of NumPy": lambda: (np.array(["a"]), "a NumPy array of <U1"),
    "dates of NumPy": lambda: (np.array(["2020-01-01"], "datetime64[D]"), "datetime64"),
    "records of NumPy": lambda: (np.zeros(1, dtype=[("a", "f4")]), "NumPy array of"),
    "a masked array": lambda: (np.ma.array([1, 2], mask=[0, 1]), "MaskedArray"),
    "a long float": lambda: (np.longdouble(1), "longdouble"),
    "a date of NumPy": lambda: (np.datetime64("2020-01-01"), "datetime64"),
    "a time of NumPy": lambda: (np.timedelta64(1, "s"), "timedelta64"),
    "a dict of tensors as keys": lambda: ({torch.ones(1): 1}, "keys are tensors"),
    "a defaultdict of a lambda": lambda: (
        defaultdict(lambda: 0),
        "a defaultdict of <function",
    ),
    "a key that is an object": lambda: ({object(): 1}, r"builtins\.object"),
}


@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
@pytest.mark.parametrize("name", UNFIT)
def test_what_cannot_be_saved_is_named(name):
    value, what = UNFIT[name]()
    with pytest.raises(ConfigError, match=what) as caught:
        pack({"x": value}, "state")
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("state.x") and len(rest) == 2


def test_a_value_that_holds_itself_is_refused():
    value = []
    value.append(value)
    with pytest.raises(ConfigError, match="nested deeper than 50 levels"):
        pack(value)


# --- What is no state -----------------------------------------------------------------


@pytest.mark.parametrize("name", TREES)
def test_what_pack_does_not_write_is_refused(name):
    with pytest.raises(DamagedError) as caught:
        unpack({"a": [TREES[name]]}, {}, "state.json")
    first, *rest = str(caught.value).splitlines()
    assert first.startswith("state.json is not as it was written: ")
    assert first.isprintable() and len(first) < 300 and len(rest) == 2


def test_devices_are_names():
    assert unpack(HARMLESS_TREES["the device meta"], {}) == torch.device("meta")


def test_a_tensor_is_taken_once():
    tree, tensors = {"$": ["tensor", "a"]}, {"a": torch.ones(2)}
    assert unpack([tree], tensors)[0] is tensors["a"]
    with pytest.raises(DamagedError, match="'a' is not there, or taken twice"):
        unpack([tree, tree], tensors)


def test_a_tensor_without_a_place_is_refused():
    with pytest.raises(DamagedError, match="the tensor 'a' has no place in it"):
        unpack({}, {"a": torch.ones(2)})


@pytest.mark.parametrize(
    "strides",
    [
        [10**30, 1],
        [3, 10**30],
        [2**62, 1],
        [0, 0],
        [-3, -1],
        [30, 1],
        [1, 1],
        [3, 2],
        ["a", "b"],
        [3.0, 1.0],
        [True, 3],
        [1],
        [3, 1, 1],
        3,
        None,
    ],
)
def test_strides_that_no_tensor_has_are_refused(strides):
    tree = {"$": ["strided tensor", ["a", strides]]}
    with pytest.raises(DamagedError):
        unpack(tree, {"a": torch.ones(2, 3)})


@given(st.lists(st.integers(-2, 70), min_size=3, max_size=3))
def test_strides_never_take_more_room_than_the_values(strides):
    tree = {"$": ["strided tensor", ["a", strides]]}
    tensor = torch.arange(8.0).reshape(2, 1, 4)
    try:
        found = unpack(tree, {"a": tensor})
    except DamagedError:
        return
    assert torch.equal(found, tensor)
    assert found.untyped_storage().nbytes() == 32


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS | st.just("a"),
    lambda part: (
        st.lists(part, max_size=3)
        | st.dictionaries(TEXTS | st.just("$"), part, max_size=3)
        | st.builds(
            lambda kind, content: {"$": [kind, content]},
            st.sampled_from(sorted(["tensor", "strided tensor", "complex tensor"]))
            | st.sampled_from(["array", "tuple", "set", "deque", "dict", "counter"])
            | st.sampled_from(["defaultdict", "float", "complex", "dtype", "device"])
            | st.just("size"),
            part,
        )
    ),
    max_leaves=10,
)


@given(JSON)
def test_any_json_is_a_state_or_refused(value):
    try:
        found = unpack(value, {"a": torch.ones(2, 3)})
    except DamagedError as error:
        assert str(error).partition("\n")[0].isprintable()
        return
    check_same(through_files(found), found)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ({"a": [1, 1.5, "x", None, True, math.nan, (1, 2)]}, True),
        ({"a": torch.ones(1)}, False),
        ([{1: 2}], False),
        ([torch.float32], False),
        ({"a": {1}}, False),
        (1 + 2j, False),
    ],
)
def test_what_is_plain(value, plain):
    assert is_plain(value) is plain
