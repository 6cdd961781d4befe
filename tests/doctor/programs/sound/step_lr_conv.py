from __future__ import print_function

import argparse

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, 1)
        self.conv2 = nn.Conv2d(8, 12, 3, 1)
        self.dropout1 = nn.Dropout(0.1)
        self.fc1 = nn.Linear(12 * 9, 32)
        self.fc2 = nn.Linear(32, 3)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = torch.flatten(x, 1)
        x = self.dropout1(x)
        x = F.relu(self.fc1(x))
        return F.log_softmax(self.fc2(x), dim=1)


def shapes(n, seed):
    g = torch.Generator().manual_seed(seed)
    kind = torch.randint(3, (n,), generator=g)
    images = torch.zeros(n, 1, 10, 10)
    for k in range(n):
        r, c = torch.randint(2, 7, (2,), generator=g).tolist()
        if kind[k] != 1:
            images[k, 0, r, max(0, c - 2) : c + 3] = 1
        if kind[k] != 0:
            images[k, 0, max(0, r - 2) : r + 3, c] = 1
    images += 0.1 * torch.randn(n, 1, 10, 10, generator=g)
    return torch.utils.data.TensorDataset((images - 0.06) / 0.25, kind)


def train(model, train_loader, optimizer, epoch):
    model.train()
    for batch_idx, (data, target) in enumerate(train_loader):
        optimizer.zero_grad()
        output = model(data)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
    print("Epoch {} loss {:.4f}".format(epoch, loss.item()))


def test(model, test_loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for data, target in test_loader:
            correct += (model(data).argmax(dim=1) == target).sum().item()
    print("Accuracy: {:.0f}%".format(100.0 * correct / len(test_loader.dataset)))


def main():
    parser = argparse.ArgumentParser(description="shapes")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--lr", type=float, default=1.0)
    parser.add_argument("--gamma", type=float, default=0.7)
    args = parser.parse_args()
    torch.manual_seed(1)
    train_kwargs = {"batch_size": 32, "shuffle": True}
    train_loader = torch.utils.data.DataLoader(shapes(320, 0), **train_kwargs)
    test_loader = torch.utils.data.DataLoader(shapes(96, 1), batch_size=96)
    model = Net()
    optimizer = optim.Adadelta(model.parameters(), lr=args.lr)
    scheduler = StepLR(optimizer, step_size=1, gamma=args.gamma)
    for epoch in range(1, args.epochs + 1):
        train(model, train_loader, optimizer, epoch)
        test(model, test_loader)
        scheduler.step()


if __name__ == "__main__":
    main()
