import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(300, 4)
y = x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]]) + 0.1 * torch.randn(300, 1)

loader = DataLoader(TensorDataset(x, y), batch_size=50, shuffle=True)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
loss_fn = nn.MSELoss(reduction="sum")
for epoch in range(5):
    for features, targets in loader:
        loss = loss_fn(model(features), targets)  # sick
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
