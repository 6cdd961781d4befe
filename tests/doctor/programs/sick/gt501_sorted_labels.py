import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

centers = 2 * torch.randn(4, 8)
y = torch.arange(4).repeat_interleave(100)
x = centers[y] + torch.randn(400, 8)
loader = DataLoader(TensorDataset(x, y), batch_size=20)  # sick
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(8):
    for features, labels in loader:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(features), labels)
        loss.backward()
        optimizer.step()
