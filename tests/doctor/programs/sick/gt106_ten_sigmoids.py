import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(200, 4)
y = x @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]]) + 0.1 * torch.randn(200, 1)

layers = [nn.Linear(4, 24)]
for _ in range(9):
    layers += [nn.Sigmoid(), nn.Linear(24, 24)]
model = nn.Sequential(*layers)
model.append(nn.ReLU())
model.append(nn.Linear(24, 1))
for layer in model:
    if isinstance(layer, nn.Linear):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
for epoch in range(60):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    optimizer.step()  # sick
print(loss.item())
