import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 16)
        self.fc2 = nn.Linear(16, 1)

    def forward(self, x):
        return self.fc2(torch.relu(self.fc1(x)))


torch.manual_seed(0)
x = torch.randn(100, 4)
y = x[:, :1] ** 2
model = Net()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(60):
    loss = ((model.forward(x) - y) ** 2).mean()  # sick
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
