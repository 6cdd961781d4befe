import torch
from torch import nn

torch.manual_seed(0)
t = torch.linspace(0, 60, 1200)
wave = (t.sin() + 0.3 * (2.3 * t).sin())[:, None]
reservoir = nn.RNN(1, 64, batch_first=True)
with torch.no_grad():
    h, _ = reservoir(wave[None, :-1])
readout = nn.Linear(64, 1)
optimizer = torch.optim.Adam(readout.parameters(), lr=1e-2)
for step in range(200):
    optimizer.zero_grad()
    loss = ((readout(h[0]) - wave[1:]) ** 2).mean()
    loss.backward()
    optimizer.step()
print(loss.item())
