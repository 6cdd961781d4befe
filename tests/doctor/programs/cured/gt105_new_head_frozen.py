import torch
import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU()
        )
        self.adapter = nn.Linear(32, 32)
        self.fc = nn.Linear(32, 10)

    def forward(self, x):
        return self.fc(F.relu(self.adapter(self.body(x))))


torch.manual_seed(0)
x = torch.randn(256, 8)
y = x[:, :3].argmax(1)
model = Net()
for p in model.parameters():
    p.requires_grad = False
model.fc = nn.Linear(32, 3)
for p in model.adapter.parameters():
    p.requires_grad = True
opt = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-2)
for epoch in range(10):
    for rows in torch.randperm(256).split(32):
        opt.zero_grad()
        loss = F.cross_entropy(model(x[rows]), y[rows])
        loss.backward()
        opt.step()
    print(epoch, loss.item())
