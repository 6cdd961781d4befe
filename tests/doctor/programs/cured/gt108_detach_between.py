import torch
from torch import nn

torch.manual_seed(0)
data = torch.randn(256, 3) @ torch.randn(3, 12)
encoder = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 3))
decoder = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 12))
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-2)
loss_fn = nn.MSELoss()
for epoch in range(30):
    for batch in data[torch.randperm(256)].split(64):
        optimizer.zero_grad()
        code = encoder(batch)
        loss = loss_fn(decoder(code), batch)
        loss.backward()
        optimizer.step()
print(loss.item())
