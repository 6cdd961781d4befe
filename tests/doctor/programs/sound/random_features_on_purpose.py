"""Random Fourier features: the first layer stays as drawn, only the read-out is fitted."""
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(14)
torch.set_num_threads(1)
rng = np.random.default_rng(14)


class RandomFeatures(nn.Module):
    def __init__(self, d_in, n, width):
        super().__init__()
        self.register_buffer("omega", torch.randn(d_in, n) / width)
        self.register_buffer("phase", torch.rand(n) * 2 * np.pi)
        self.gain = (2.0 / n) ** 0.5

    def forward(self, x):
        return self.gain * torch.cos(x @ self.omega + self.phase)


class Projection(nn.Module):
    """a fixed rotation in front, kept as frozen weights so that it is stored with the model"""

    def __init__(self, d):
        super().__init__()
        self.rotate = nn.Linear(d, d, bias=False)
        nn.init.orthogonal_(self.rotate.weight)
        self.rotate.requires_grad_(False)

    def forward(self, x):
        return self.rotate(x)


X = rng.uniform(-1, 1, (3000, 4)).astype("float32")
f = np.sin(3 * X[:, 0]) * X[:, 1] + np.cos(2 * X[:, 2]) - X[:, 3] ** 2
y = (f + rng.normal(0, 0.1, 3000)).astype("float32")[:, None]
mean = y[:2400].mean()
data = TensorDataset(torch.from_numpy(X[:2400]), torch.from_numpy(y[:2400] - mean))
model = nn.Sequential(Projection(4), RandomFeatures(4, 400, 0.9), nn.Linear(400, 1))
nn.init.zeros_(model[-1].weight)
nn.init.zeros_(model[-1].bias)
trainable = [p for p in model.parameters() if p.requires_grad]
opt = torch.optim.Adam(trainable, lr=0.03)
for epoch in range(30):
    for xb, yb in DataLoader(data, batch_size=80, shuffle=True):
        loss = nn.functional.mse_loss(model(xb), yb)
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 6 == 5:
        with torch.no_grad():
            res = model(torch.from_numpy(X[2400:])) + mean - torch.from_numpy(y[2400:])
        print(f"epoch {epoch + 1} last batch {loss.item():.4f} test R2 {1 - res.pow(2).mean().item() / y[2400:].var():.4f}")
