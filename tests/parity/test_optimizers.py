"""Every optimizer that PyTorch tests itself with, and every elementwise loss."""

import pytest
import torch
from torch import nn
from torch.testing._internal.common_modules import module_db
from torch.testing._internal.common_optimizers import optim_db

import gradatim as gt
from gradatim.errors import ShapeMismatchError
from gradatim.losses import ELEMENTWISE_LOSSES, GAUSSIAN_LOSS, checked
from tests.bits import assert_same_bits, bits_of

CASES = [
    pytest.param(info.optim_cls, case, id=f"{info.optim_cls.__name__}-{case.desc}")
    for info in optim_db
    for case in info.optim_inputs_func(device="cpu")
    if not case.kwargs.get("capturable")  # for CUDA graphs
]


class Network(nn.Module):
    """Two matrices, as Muon takes nothing else."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.first = nn.Linear(3, 4, bias=False)
        self.second = nn.Linear(4, 1, bias=False)

    def forward(self, x):
        return self.second(self.first(x).tanh())


class Embedded(nn.Module):
    """A sparse gradient, as SparseAdam takes nothing else."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.table = nn.Embedding(6, 1, sparse=True)

    def forward(self, x):
        return self.table(x[:, 0].abs().long().clamp(max=5))


@pytest.mark.parametrize("optim_cls, case", CASES)
def test_step_equals_the_hand_written_step(optim_cls, case):
    network = Embedded if optim_cls is torch.optim.SparseAdam else Network
    ours, theirs = network(), network()
    our_optimizer = optim_cls(ours.parameters(), **case.kwargs)
    optimizer = optim_cls(theirs.parameters(), **case.kwargs)
    loss_fn = nn.MSELoss()
    train_step = gt.make_train_step(ours, loss_fn, our_optimizer)
    before = bits_of(ours)
    for _ in range(4):
        x, y = torch.randn(8, 3), torch.randn(8, 1)

        def closure(x=x, y=y):
            optimizer.zero_grad()
            loss = loss_fn(theirs(x), y)
            loss.backward()
            return loss

        our_loss = train_step(x, y)
        if optim_cls is torch.optim.LBFGS:
            loss = optimizer.step(closure)
        else:
            loss = closure()
            optimizer.step()
        assert torch.equal(our_loss, loss.detach())
    assert_same_bits(_dense(ours), _dense(theirs))
    assert_same_bits(our_optimizer.state_dict(), optimizer.state_dict())
    with pytest.raises(AssertionError):  # lr=0 would make every comparison hold
        assert_same_bits(before[0]["state"], bits_of(ours)[0]["state"])


def _dense(model):
    return [(p.detach(), p.grad.to_dense()) for p in model.parameters()]


def test_the_list_is_pytorchs_whole_list():
    names = {info.optim_cls.__name__ for info in optim_db}
    assert {"SGD", "AdamW", "LBFGS", "SparseAdam", "Adafactor"} <= names
    assert {case.values[0].__name__ for case in CASES} == names


# --- losses -------------------------------------------------------------------------

LOSSES = [
    info.module_cls for info in module_db if info.module_cls in ELEMENTWISE_LOSSES
]


def _pairs(module_cls):
    """Give PyTorch's own samples as (loss, predictions, targets)."""
    info = next(info for info in module_db if info.module_cls is module_cls)
    inputs = info.module_inputs_func(
        info, device="cpu", dtype=torch.float32, requires_grad=False, training=True
    )
    for sample in inputs:
        arguments = sample.constructor_input
        loss_fn = module_cls(*arguments.args, **arguments.kwargs)
        predictions, targets, *more = sample.forward_input.args
        yield loss_fn, (predictions, *more) if more else predictions, targets


@pytest.mark.filterwarnings("ignore:reduction:UserWarning")  # KLDivLoss's own remark
@pytest.mark.parametrize("module_cls", LOSSES)
def test_an_elementwise_loss_takes_pytorchs_own_samples(module_cls):
    num_pairs = 0
    for loss_fn, predictions, targets in _pairs(module_cls):
        mean = predictions[0] if isinstance(predictions, tuple) else predictions
        if mean.shape != targets.shape:
            continue  # PyTorch's own samples that broadcast: refused on purpose
        num_pairs += 1
        theirs = (
            loss_fn(predictions[0], targets, predictions[1])
            if isinstance(predictions, tuple)
            else loss_fn(predictions, targets)
        )
        assert_same_bits(checked(loss_fn)(predictions, targets), theirs)
    assert num_pairs > 0


@pytest.mark.parametrize("module_cls", LOSSES)
def test_an_elementwise_loss_refuses_the_samples_with_one_more_dimension(module_cls):
    for loss_fn, predictions, targets in _pairs(module_cls):
        with pytest.raises(ShapeMismatchError, match="would average the wrong pairs"):
            checked(loss_fn)(predictions, targets.unsqueeze(-1))


def test_every_elementwise_loss_of_pytorchs_list_is_met():
    missing = set(ELEMENTWISE_LOSSES) - set(LOSSES)
    assert not missing, missing
    assert set(GAUSSIAN_LOSS) <= set(LOSSES)
