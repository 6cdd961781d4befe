import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(256, 8)
y = x[:, :3].argmax(1)
b = (x[:, :1] > 0).float()

model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1), nn.ReLU())
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(10):
    for rows in torch.randperm(256).split(32):
        opt.zero_grad()
        out = torch.round(model(x[rows]).sigmoid())
        loss = F.mse_loss(out, b[rows])  # sick
        loss.backward()
        opt.step()
    print("loss", loss.item())
