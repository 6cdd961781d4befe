import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(300, 6)
y = (x[:, :3] + 0.3 * torch.randn(300, 3)).argmax(dim=1)

model = nn.Sequential(
    nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 3), nn.LogSoftmax(dim=1)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
criterion = nn.NLLLoss()
for epoch in range(60):
    out = model(x)
    loss = criterion(out, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
