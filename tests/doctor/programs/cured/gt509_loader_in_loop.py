import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(300, 4)
y = x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]]) + 0.1 * torch.randn(300, 1)

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def get_batch():
    loader = DataLoader(TensorDataset(x, y), batch_size=30)
    for features, targets in loader:
        return features, targets


loader = DataLoader(TensorDataset(x, y), batch_size=30, shuffle=True)
for epoch in range(6):
    for features, targets in loader:
        loss = F.mse_loss(model(features), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
