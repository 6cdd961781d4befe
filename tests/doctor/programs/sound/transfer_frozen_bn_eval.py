import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.pool = nn.AdaptiveAvgPool2d(2)

    def forward(self, x):
        return torch.flatten(self.pool(torch.relu(self.bn(self.conv(x)))), 1)


class Classifier(nn.Module):
    def __init__(self, backbone, num_classes):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(32, num_classes)
        for p in self.backbone.parameters():
            p.requires_grad_(False)

    def train(self, mode=True):
        super().train(mode)
        self.backbone.eval()  # its statistics stay those it was trained with
        return self

    def forward(self, x):
        with torch.no_grad():
            features = self.backbone(x)
        return self.head(features)


def stripes(n):
    y = torch.randint(2, (n,))
    x = 0.5 * torch.randn(n, 1, 8, 8)
    for i in range(n):
        quarter = 4 * int(y[i])
        x[i, 0, quarter : quarter + 4] += 1.0
    return TensorDataset((x - x.mean()) / x.std(), y)


torch.manual_seed(0)
model = Classifier(Backbone(), 2)
optimizer = torch.optim.Adam(
    (p for p in model.parameters() if p.requires_grad), lr=2e-2
)
loss_fn = nn.CrossEntropyLoss()
train_loader = DataLoader(stripes(256), batch_size=32, shuffle=True)
val_loader = DataLoader(stripes(64), batch_size=64)

for epoch in range(6):
    model.train()
    for x, y in train_loader:
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        hits = sum((model(x).argmax(1) == y).sum().item() for x, y in val_loader)
    print(epoch, loss.item(), hits / 64)
