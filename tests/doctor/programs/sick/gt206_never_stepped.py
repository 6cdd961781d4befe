import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(200, 4)
y = x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]]) + 0.1 * torch.randn(200, 1)

model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
loss_fn = nn.MSELoss()
for epoch in range(50):
    optimizer.zero_grad()
    loss = loss_fn(model(x), y)
    loss.backward()  # sick
    if epoch % 10 == 0:
        print(epoch, loss.item())
