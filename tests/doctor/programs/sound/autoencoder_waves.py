import torch
from torch import nn, optim
from torch.utils.data import DataLoader


class AutoEncoder(nn.Module):
    def __init__(self, size=32, code=3):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Linear(size, 24), nn.Tanh(), nn.Linear(24, code)
        )
        self.decoder = nn.Sequential(
            nn.Linear(code, 24), nn.Tanh(), nn.Linear(24, size)
        )

    def forward(self, x):
        z = self.encoder(x)
        return self.decoder(z), z


def waves(n):
    t = torch.linspace(0, 6.28, 32)
    phase = 6.28 * torch.rand(n, 1)
    amplitude = 0.7 + 0.6 * torch.rand(n, 1)
    return amplitude * torch.sin(t + phase) + 0.02 * torch.randn(n, 32)


torch.manual_seed(3)
train_data = waves(512)
held_out = waves(128)

net = AutoEncoder()
opt = optim.Adam(net.parameters(), lr=3e-3)
criterion = nn.MSELoss()

for epoch in range(15):
    net.train()
    total = 0.0
    for batch in DataLoader(train_data, batch_size=32, shuffle=True):
        opt.zero_grad(set_to_none=True)
        reconstruction, _ = net(batch)
        loss = criterion(reconstruction, batch)
        loss.backward()
        opt.step()
        total += loss.item() * len(batch)
    net.eval()
    with torch.inference_mode():
        again, codes = net(held_out)
        val = criterion(again, held_out).item()
    print(f"{epoch:3d}  train {total / len(train_data):.4f}  held out {val:.4f}")
print("codes", codes.std(dim=0))
