import torch
import torch.nn.functional as F
from torch import nn


def make_model():
    return nn.Sequential(nn.Linear(5, 24), nn.ReLU(), nn.Linear(24, 3))


torch.manual_seed(1)
x = torch.randn(150, 5)
y = x[:, :3].argmax(dim=1)
model = make_model()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)  # sick
model = make_model()
for epoch in range(60):
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y)
    loss.backward()
    optimizer.step()
print(loss.item())
