"""Computations of all kinds, small; each gives its loss."""

import warnings

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential


def tutorial():
    a, b = (torch.randn(1, requires_grad=True) for _ in "ab")
    x, y = torch.rand(80, 1), torch.rand(80, 1)
    return ((y - (a + b * x)) ** 2).mean()


def mlp():
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 8), nn.ReLU())
    return nn.Sequential(model, nn.Linear(8, 1))(torch.rand(5, 3)).mean()


def transformer(num_layers=2):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    # Nested tensors are for evaluation alone, and the remark on them is PyTorch's.
    model = nn.TransformerEncoder(layer, num_layers, enable_nested_tensor=False)
    return model(torch.rand(2, 4, 8)).mean()


def deep_transformer():
    return transformer(num_layers=12)


def unrolled():
    """An RNN of 50 steps with one set of weights."""
    cell, hidden = nn.RNNCell(3, 4), torch.zeros(2, 4)
    for step in torch.rand(50, 2, 3):
        hidden = cell(step, hidden)
    return hidden.square().mean()


def shared():
    weight = nn.Parameter(torch.rand(4, 4))
    hidden = torch.rand(2, 4)
    for _ in range(3):
        hidden = torch.tanh(hidden @ weight)
    return hidden.sum() + weight.sum()


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(10, 4)
        self.out = nn.Linear(4, 10, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, ids):
        return self.out(self.embed(ids))


def tied():
    ids = torch.arange(6)
    return nn.functional.cross_entropy(Tied()(ids), ids)


class Branching(nn.Module):
    """Takes a branch at random, and goes a random number of times around."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x):
        for _ in range(int(torch.randint(1, 6, ()))):
            x = self.left(x) if torch.rand(()) < 0.5 else self.right(x).tanh()
        return x


def branches():
    return Branching()(torch.rand(2, 4)).mean()


def complex_numbers():
    weight = torch.randn(4, 4, dtype=torch.complex64, requires_grad=True)
    return torch.fft.ifft(torch.fft.fft(weight) @ weight.conj()).abs().sum()


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 2 * x

    @staticmethod
    def backward(ctx, grad):
        (_,) = ctx.saved_tensors
        return 2 * grad


def custom():
    return Twice.apply(torch.ones(3, requires_grad=True)).exp().sum()


def _checkpointed(*, use_reentrant):
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    x = torch.rand(2, 4, requires_grad=True)
    hidden = checkpoint(model[:2], x, use_reentrant=use_reentrant)
    return model[2](hidden).mean()


def checkpointed():
    return _checkpointed(use_reentrant=False)


def checkpointed_reentrant():
    return _checkpointed(use_reentrant=True)


def checkpointed_segments():
    model = nn.Sequential(*[nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in "abcd"])
    x = torch.rand(2, 4, requires_grad=True)
    return checkpoint_sequential(model, 2, x, use_reentrant=False).mean()


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)

    def forward(self, x):
        hidden = self.linear(x)
        part = hidden[:, :2]
        part.mul_(2)
        hidden.add_(1)
        return hidden, part


class Views(nn.Module):
    """Views go out of a module, stale by an in-place change; others change them."""

    def __init__(self):
        super().__init__()
        self.first, self.last = InPlace(), nn.Linear(4, 2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        hidden, part = self.first(x)
        early = hidden.t()
        hidden.mul_(3)  # part and early get their nodes again, when asked for
        out = self.relu(self.last(hidden)).clone()
        out = out.view(-1)
        out[0] = 1.0
        return out.sum() + part.sum() + early.sum()


def views():
    return Views()(torch.rand(2, 3))


def double_backward():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    x = torch.rand(2, 3, requires_grad=True)
    out = model(x).sum()
    (gradient,) = torch.autograd.grad(out, x, create_graph=True)
    return gradient.square().sum() + model(gradient).sum()


class Penalty(nn.Module):
    """Runs a backward inside its own forward."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))

    def forward(self, x):
        x = x.detach().requires_grad_()
        out = self.inner(x)
        (gradient,) = torch.autograd.grad(out.sum(), x, create_graph=True)
        return out.sum() + self.inner(gradient).sum() + gradient.norm()


def penalty():
    return Penalty()(torch.rand(2, 3))


def recurrent():
    model = nn.LSTM(3, 4, num_layers=2, bidirectional=True)
    return model(torch.rand(5, 2, 3))[0].mean()


def convolutional():
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2)
    )
    return model(torch.rand(2, 1, 8, 8)).mean()


def sparse():
    model = nn.Embedding(10, 4, sparse=True)
    return model(torch.tensor([1, 1, 3])).square().sum()


def jagged():
    weight = torch.rand(4, 2, requires_grad=True)
    rows = [torch.rand(3, 4), torch.rand(2, 4)]
    nested = torch.nested.nested_tensor(rows, layout=torch.jagged)
    return (nested @ weight).sin().values().sum()


def nested():
    """The older kind of nested tensors, which has no shape."""
    rows = [torch.rand(3, 4), torch.rand(2, 4)]
    with warnings.catch_warnings(action="ignore"):  # PyTorch's advice to use jagged
        weight = torch.nested.nested_tensor(rows, requires_grad=True)
    return torch.nested.to_padded_tensor(2 * weight, 0.0).sum()


def weight_norm():
    model = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))
    return model(torch.rand(2, 3)).sum()


def half():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return nn.Sequential(nn.Linear(3, 4), nn.Tanh())(torch.rand(2, 3)).sum()


def sparse_leaf():
    weight = torch.eye(3).to_sparse().requires_grad_()
    return torch.sparse.sum(2 * weight)


def hooked():
    """A module's own backward hooks put two nodes around it."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh())
    model[0].register_full_backward_hook(lambda *given: None)
    return model(torch.rand(2, 3, requires_grad=True)).sum()


def traced():
    model = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(3, 4), nn.Tanh()))
    return model(torch.rand(2, 3)).sum()


def several_roots():
    weight = torch.rand(3, requires_grad=True)
    return [weight.exp(), (2 * weight).sum(), weight]


ALL = [
    tutorial,
    mlp,
    transformer,
    deep_transformer,
    unrolled,
    shared,
    tied,
    branches,
    complex_numbers,
    custom,
    checkpointed,
    checkpointed_reentrant,
    checkpointed_segments,
    views,
    double_backward,
    penalty,
    recurrent,
    convolutional,
    sparse,
    jagged,
    nested,
    weight_norm,
    half,
    sparse_leaf,
    hooked,
    traced,
]
