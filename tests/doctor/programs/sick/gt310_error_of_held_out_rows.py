"""A line fitted to houses, with the error of those held out."""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
size = torch.rand(260, 3)
price = (size @ torch.tensor([2.0, -1.0, 0.5])) + 0.1 * torch.randn(260)
size_train, size_test = size[:200], size[200:]
price_train, price_test = price[:200], price[200:]

net = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(101):
    net.train()
    optimizer.zero_grad()
    loss = F.mse_loss(net(size_train).flatten(), price_train)
    loss.backward()
    optimizer.step()
    if epoch % 20 == 0:
        net.eval()
        with torch.no_grad():
            predicted = net(size_test)
            mae = torch.mean(torch.abs(predicted - price_test))  # sick
            print(epoch, loss.item(), mae.item())
