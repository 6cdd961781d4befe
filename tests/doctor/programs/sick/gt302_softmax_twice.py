import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(300, 6)
y = (x[:, :3] + 0.3 * torch.randn(300, 3)).argmax(dim=1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(6, 32)
        self.out = nn.Linear(32, 3)

    def forward(self, x):
        x = F.relu(self.hidden(x))
        return F.softmax(self.out(x), dim=1)


net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
for epoch in range(10):
    order = torch.randperm(300)
    for start in range(0, 300, 50):
        rows = order[start : start + 50]
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x[rows]), y[rows])  # sick
        loss.backward()
        optimizer.step()
