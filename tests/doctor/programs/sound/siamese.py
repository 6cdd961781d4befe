import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Pairs(Dataset):
    def __init__(self, points, labels, length):
        self.points, self.labels, self.length = points, labels, length

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        i, j = torch.randint(len(self.points), (2,)).tolist()
        same = float(self.labels[i] == self.labels[j])
        return self.points[i], self.points[j], torch.tensor(same)


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.tower = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 8))

    def forward_once(self, x):
        return self.tower(x)

    def forward(self, a, b):
        return self.forward_once(a), self.forward_once(b)


def contrastive_loss(a, b, same, margin=1.0):
    distance = F.pairwise_distance(a, b)
    return torch.mean(same * distance**2 + (1 - same) * F.relu(margin - distance) ** 2)


def main():
    torch.manual_seed(0)
    labels = torch.randint(3, (300,))
    points = 1.5 * torch.randn(3, 6)[labels] + 0.5 * torch.randn(300, 6)
    loader = DataLoader(Pairs(points, labels, 480), shuffle=True, batch_size=48)
    net = Siamese()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(8):
        for a, b, same in loader:
            out1, out2 = net(a, b)
            loss = contrastive_loss(out1, out2, same)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(epoch, loss.item())


if __name__ == "__main__":
    main()
