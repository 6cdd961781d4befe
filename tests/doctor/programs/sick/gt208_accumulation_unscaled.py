import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(200, 4)
y = x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]]) + 0.1 * torch.randn(200, 1)

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
loss_fn = nn.MSELoss()
for epoch in range(10):
    for i, rows in enumerate(torch.randperm(200).split(10)):
        loss = loss_fn(model(x[rows]), y[rows])
        loss.backward()  # sick
        if (i + 1) % 4 == 0:
            optimizer.step()
            optimizer.zero_grad()
print(loss.item())
