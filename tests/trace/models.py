"""Models, optimizers and batches that a step is traced of, and all of their state."""

import torch
from torch import nn

from tests.bits import bits_of, random_state

X, Y = torch.linspace(-1, 1, 32).view(8, 4), torch.linspace(0, 1, 8).unsqueeze(1)


class Tied(nn.Module):
    """Two layers of one weight."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.second.weight = self.first.weight
        self.head = nn.Linear(4, 1)

    def forward(self, x):
        return self.head(self.second(self.first(x).relu()))


def _normed():
    return nn.Sequential(
        nn.Linear(4, 6),
        nn.BatchNorm1d(6),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(6, 1),
    )


def _half_frozen():
    model = _normed()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    return model


MODELS = {
    "linear": lambda: nn.Linear(4, 1),
    "dropout and batch norm": _normed,
    "eval mode": lambda: _normed().eval(),
    "one layer in eval mode, a weight frozen": _half_frozen,
    "tied": Tied,
    "transformer in eval mode": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 4)),
        nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
        .eval()
        .requires_grad_(False),
        nn.Flatten(),
        nn.Linear(4, 1),
    ),
}

OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01),
    "LBFGS": lambda p: torch.optim.LBFGS(p, lr=0.1, max_iter=4),
}


def made(model="linear", optimizer="SGD", *, seed=0):
    """Give a model and its optimizer, from the same start every time."""
    torch.manual_seed(seed)
    built = MODELS[model]()
    return built, OPTIMIZERS[optimizer](built.parameters())


def everything(model, optimizer):
    """Give all that a step could change, and some that it could touch.

    To be compared with ``assert_same_bits``; the hooks and tensors by identity.
    """
    tensors = [*model.parameters(), *model.buffers()]
    grads = [p.grad for p in model.parameters()]
    return {
        "bits": bits_of(model, optimizer),
        "random": random_state(),
        "ids": [id(tensor) for tensor in [*tensors, *grads]],
        "places": [tensor.data_ptr() for tensor in tensors],
        "versions": [
            tensor._version
            for tensor in [*tensors, *(g for g in grads if g is not None)]
        ],
        "hooks": [hooks_of(module) for module in model.modules()],
        "tensor hooks": [list(p._backward_hooks or {}) for p in model.parameters()],
        "optimizer": sorted(vars(optimizer)),
        "step": "step" in vars(optimizer),
        "modules": [sorted(vars(module)) for module in model.modules()],
    }


def hooks_of(module):
    """Give the dicts of hooks, by name."""
    return {
        name: {number: id(hook) for number, hook in value.items()}
        for name, value in sorted(vars(module).items())
        if "hook" in name and hasattr(value, "items")
    }
