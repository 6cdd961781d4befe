import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(400, 5)
y = (x[:, 0] - x[:, 1] + 0.3 * torch.randn(400) > 0).float()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(5, 20)
        self.b = nn.Linear(20, 1)

    def forward(self, x):
        return torch.sigmoid(self.b(torch.tanh(self.a(x)))).flatten()


def main():
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for step in range(100):
        rows = torch.randint(400, (64,))
        loss = F.binary_cross_entropy_with_logits(net(x[rows]), y[rows])  # sick
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


if __name__ == "__main__":
    main()
