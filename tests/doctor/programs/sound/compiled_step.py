# The loss is compiled together with the model, whole.
import torch
import torch.nn.functional as F


class MLP(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(6, 40)
        self.b = torch.nn.Linear(40, 3)

    def forward(self, x):
        return self.b(torch.tanh(self.a(x)))


def train_loss(model, x, y):
    return F.cross_entropy(model(x), y)


def main():
    torch.manual_seed(0)
    net = MLP()
    fast_loss = torch.compile(train_loss, backend="aot_eager", fullgraph=True)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.3, momentum=0.9)
    x = torch.randn(600, 6)
    y = x[:, :3].abs().argmax(dim=1)
    for epoch in range(10):
        order = torch.randperm(600)
        for rows in order.view(10, 60):
            optimizer.zero_grad()
            loss = fast_loss(net, x[rows], y[rows])
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
