"""Super-convergence: SGD with a one-cycle schedule stepped after every batch, peak lr 0.4."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(11)
torch.set_num_threads(1)


class Digits(Dataset):
    def __init__(self, x, y, augment):
        self.x, self.y, self.augment = x, y, augment

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        img = self.x[i]
        if self.augment:
            dx, dy = torch.randint(-1, 2, (2,)).tolist()
            img = torch.roll(img, (dy, dx), dims=(1, 2))
        return img, self.y[i]


class ResBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1 = nn.Conv2d(c, c, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(c)
        self.conv2 = nn.Conv2d(c, c, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(c)
        nn.init.zeros_(self.bn2.weight)  # start as the identity

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        return F.relu(x + self.bn2(self.conv2(h)))


def resnet(width=16):
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(),
        ResBlock(width), nn.MaxPool2d(2), ResBlock(width),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * width, 10),
    )


data = load_digits()
x = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1)
y = torch.tensor(data.target)
order = torch.randperm(len(y))
x, y = x[order], y[order]
x = (x - x[:1400].mean()) / x[:1400].std()
train_loader = DataLoader(Digits(x[:1400], y[:1400], True), batch_size=50, shuffle=True)
valid_loader = DataLoader(Digits(x[1400:], y[1400:], False), batch_size=397)

EPOCHS = 8
model = resnet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.4, momentum=0.9, weight_decay=5e-4)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.4, epochs=EPOCHS,
                                                steps_per_epoch=len(train_loader), pct_start=0.3)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)

for epoch in range(EPOCHS):
    model.train()
    losses = []
    for xb, yb in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        acc = sum((model(xb).argmax(1) == yb).sum().item() for xb, yb in valid_loader) / 397
    print(f"epoch {epoch + 1}  loss {sum(losses) / len(losses):.4f}  valid {acc:.4f}  lr {scheduler.get_last_lr()[0]:.5f}")
