import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(300, 6)
y = (x[:, :3] + 0.3 * torch.randn(300, 3)).argmax(dim=1)

x_train, y_train, x_test, y_test = x[:220], y[:220], x[220:], y[220:]
rows = torch.randint(220, (450,))
x_train, y_train = x_train[rows], y_train[rows]
net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(60):
    net.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(net(x_train), y_train)
    loss.backward()
    optimizer.step()
net.eval()
with torch.no_grad():
    accuracy = (net(x_test).argmax(dim=1) == y_test).float().mean()
print(accuracy.item())
