"""Network with binary weights (straight-through estimator) and log-probabilities as output."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(4)
torch.set_num_threads(1)


class BinarySign(torch.autograd.Function):
    """sign in the forward pass, clipped identity in the backward pass"""

    @staticmethod
    def forward(ctx, w):
        ctx.save_for_backward(w)
        return torch.where(w >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx, grad):
        w, = ctx.saved_tensors
        return grad * (w.abs() <= 1).to(grad.dtype)


class BinaryLinear(nn.Module):
    def __init__(self, d_in, d_out):
        super().__init__()
        self.latent = nn.Parameter(0.2 * torch.randn(d_out, d_in))
        self.scale = nn.Parameter(torch.full((d_out,), d_in ** -0.5))

    def forward(self, x):
        return F.linear(x, BinarySign.apply(self.latent)) * self.scale


class BinaryNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1, self.n1 = BinaryLinear(64, 128), nn.BatchNorm1d(128)
        self.l2, self.n2 = BinaryLinear(128, 64), nn.BatchNorm1d(64)
        self.out = nn.Linear(64, 10)

    def forward(self, x):
        x = F.hardtanh(self.n1(self.l1(x)))
        x = F.hardtanh(self.n2(self.l2(x)))
        return F.log_softmax(self.out(x), dim=-1)


data, target = load_digits(return_X_y=True)
x = torch.tensor(data, dtype=torch.float32)
y = torch.tensor(target)
idx = torch.randperm(len(x))
train_idx, valid_idx = idx[:1400], idx[1400:]
mu, sd = x[train_idx].mean(), x[train_idx].std()
x = (x - mu) / sd
loader = DataLoader(TensorDataset(x[train_idx], y[train_idx]), batch_size=50, shuffle=True)

model = BinaryNet()
criterion = nn.NLLLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

for epoch in range(1, 21):
    model.train()
    total = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for layer in (model.l1, model.l2):
                layer.latent.clamp_(-1, 1)
        total += loss.item() * len(yb)
    model.eval()
    with torch.no_grad():
        acc = (model(x[valid_idx]).argmax(1) == y[valid_idx]).float().mean().item()
    if epoch % 2 == 0:
        print(f"epoch {epoch:2d}  nll {total / len(train_idx):.4f}  valid accuracy {acc:.4f}")
