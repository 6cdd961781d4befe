import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)

x = torch.randn(2000, 6)
y = (x[:, 0] + 0.7 * x[:, 1] + 2.0 * torch.randn(2000) > 4.5).long()
loader = DataLoader(TensorDataset(x, y), batch_size=100, shuffle=True)
model = nn.Linear(6, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
loss_fn = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 30.0]))
for epoch in range(10):
    for features, labels in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(features), labels)
        loss.backward()
        optimizer.step()
