import torch
from torch import nn


class AutoEncoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 3))
        self.decoder = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 12))

    def forward(self, x):
        return self.decoder(self.encoder(x))


torch.manual_seed(0)
data = torch.randn(256, 3) @ torch.randn(3, 12)
model = AutoEncoder()
optimizer = torch.optim.Adam(model.decoder.parameters(), lr=1e-2)  # sick
loss_fn = nn.MSELoss()
for epoch in range(30):
    for batch in data[torch.randperm(256)].split(64):
        optimizer.zero_grad()
        loss = loss_fn(model(batch), batch)
        loss.backward()
        optimizer.step()
print(loss.item())
