import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 64), nn.ReLU())
        self.fc = nn.Linear(64, 3)

    def forward(self, x):
        return self.fc(self.body(x))


torch.manual_seed(0)
x = torch.randn(200, 6)
y = x[:, :3].argmax(dim=1)
model = Net()
optimizer = torch.optim.Adam(model.fc.parameters(), lr=1e-2)
for epoch in range(60):
    model.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
