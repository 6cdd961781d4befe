import random

import torch
import torch.nn as nn


class Embedder(nn.Module):
    def __init__(self):
        super(Embedder, self).__init__()
        self.layers = nn.Sequential(
            nn.Linear(8, 32),
            nn.PReLU(),
            nn.Linear(32, 4),
        )

    def forward(self, x):
        return self.layers(x)


class Triplets(torch.utils.data.Dataset):
    def __init__(self, points, labels):
        self.points, self.labels = points, labels
        self.by_label = {
            c: (labels == c).nonzero().flatten().tolist()
            for c in labels.unique().tolist()
        }

    def __len__(self):
        return len(self.points)

    def __getitem__(self, i):
        c = int(self.labels[i])
        other = random.choice([k for k in self.by_label if k != c])
        positive = random.choice(self.by_label[c])
        negative = random.choice(self.by_label[other])
        return self.points[i], self.points[positive], self.points[negative]


random.seed(0)
torch.manual_seed(0)
labels = torch.randint(5, (400,))
points = torch.randn(5, 8)[labels] + 0.7 * torch.randn(400, 8)
loader = torch.utils.data.DataLoader(Triplets(points, labels), 40, shuffle=True)

net = Embedder()
triplet_loss = nn.TripletMarginLoss(margin=1.0)
optimizer = torch.optim.Adam(net.parameters(), 1e-3)
for epoch in range(6):
    running_loss = []
    for anchor, positive, negative in loader:
        optimizer.zero_grad()
        loss = triplet_loss(net(anchor), net(positive), net(negative))
        loss.backward()
        optimizer.step()
        running_loss.append(loss.detach().numpy())
    print("Epoch: {} - Loss: {:.4f}".format(epoch + 1, sum(running_loss) / len(loader)))
