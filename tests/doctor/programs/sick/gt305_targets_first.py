import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(400, 5)
y = (x[:, 0] - x[:, 1] + 0.3 * torch.randn(400) > 0).float()

model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
loss_fn = nn.BCELoss()
for epoch in range(60):
    p = model(x)[:, 0]
    loss = loss_fn(y, p)  # sick
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
