import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(200, 6)
y = x[:, :3].argmax(dim=1)
model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(30):
    optimizer.zero_grad()
    F.cross_entropy(model(x), y).backward()
    optimizer.step()
model.eval()
delta = torch.zeros_like(x, requires_grad=True)
for step in range(20):
    loss = F.cross_entropy(model(x + delta), y)
    loss.backward()
    with torch.no_grad():
        delta += 0.02 * delta.grad.sign()
        delta.grad.zero_()
print(loss.item())
