import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(1)
y = torch.arange(10).repeat_interleave(30)
x = torch.eye(10)[y] + 0.5 * torch.randn(300, 10)
loader = DataLoader(TensorDataset(x, y), batch_size=50)  # sick
model = nn.Linear(10, 10)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(10):
    for features, labels in loader:
        loss = F.cross_entropy(model(features), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
