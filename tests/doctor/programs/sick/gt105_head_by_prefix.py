"""Sensor classification: pretrain on the big source plant, then move to a plant with other sensors."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(55)
torch.set_num_threads(1)


class SensorNet(nn.Module):
    def __init__(self, n_sensors, n_states, width=48):
        super().__init__()
        self.width = width
        self.adapter = nn.Linear(n_sensors, width)
        self.trunk = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(),
            nn.LayerNorm(width), nn.Linear(width, width), nn.ReLU(),
        )
        self.trunk_out = nn.Linear(width, n_states)

    def forward(self, x):
        return self.trunk_out(self.trunk(self.adapter(x)))


class Plant:
    """Hidden process state seen through a random linear sensor array."""

    def __init__(self, n_sensors, n_states, latent=6):
        self.mix = torch.randn(latent, n_sensors) / latent ** 0.5
        self.proto = 1.8 * torch.randn(3 * n_states, latent)
        self.n_states = n_states

    def sample(self, n):
        mode = torch.randint(3 * self.n_states, (n,))
        z = self.proto[mode] + 0.7 * torch.randn(n, self.proto.shape[1])
        return z @ self.mix + 0.1 * torch.randn(n, self.mix.shape[1]), mode % self.n_states


def set_trainable(model, part, flag):
    n = 0
    for name, param in model.named_parameters():
        if name.startswith(part):
            param.requires_grad_(flag)
            n += param.numel()
    return n


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    return (model(x).argmax(1) == y).float().mean().item()


def train(model, data, valid, epochs, lr, batch_size=64):
    x, y = data
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr)
    for epoch in range(1, epochs + 1):
        model.train()
        total = 0.0
        for idx in torch.randperm(len(x)).split(batch_size):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x[idx]), y[idx])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(idx)
        print(f"  epoch {epoch:2d}  loss {total / len(x):.4f}  valid accuracy {accuracy(model, *valid):.4f}")


print("source plant")
source = Plant(n_sensors=20, n_states=8)
net = SensorNet(20, 8)
train(net, source.sample(5000), source.sample(1000), epochs=8, lr=1e-3)

print("target plant")
target = Plant(n_sensors=14, n_states=6)
net.adapter = nn.Linear(14, net.width)
net.trunk_out = nn.Linear(net.width, 6)  # sick
set_trainable(net, "trunk", False)  # keep the pretrained representation
train(net, target.sample(1200), target.sample(1000), epochs=15, lr=2e-3)
