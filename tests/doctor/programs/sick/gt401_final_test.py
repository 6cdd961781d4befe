"""Toy segmentation: find discs in noisy images with a little U-Net."""
import copy
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
torch.set_num_threads(1)
SIZE = 24


def discs(n):
    grid = torch.arange(SIZE, dtype=torch.float32)
    yy, xx = torch.meshgrid(grid, grid, indexing="ij")
    masks = torch.zeros(n, SIZE, SIZE)
    for _ in range(2):
        cx, cy = torch.rand(n, 1, 1) * SIZE, torch.rand(n, 1, 1) * SIZE
        r = 2.5 + 3.5 * torch.rand(n, 1, 1)
        masks = torch.maximum(masks, (((xx - cx) ** 2 + (yy - cy) ** 2) < r ** 2).float())
    images = 0.9 * masks + 0.6 * torch.randn(n, SIZE, SIZE) + 0.4 * torch.randn(n, 1, 1)
    return images[:, None], masks[:, None]


class DoubleConv(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(c_in, c_out, 3, padding=1), nn.BatchNorm2d(c_out), nn.ReLU(),
            nn.Conv2d(c_out, c_out, 3, padding=1), nn.BatchNorm2d(c_out), nn.ReLU(),
        )

    def forward(self, x):
        return self.net(x)


class UNet(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.down1 = DoubleConv(1, width)
        self.down2 = DoubleConv(width, 2 * width)
        self.mid = nn.Sequential(DoubleConv(2 * width, 4 * width), nn.Dropout2d(0.5))
        self.up2 = DoubleConv(6 * width, 2 * width)
        self.up1 = DoubleConv(3 * width, width)
        self.drop = nn.Dropout2d(0.2)
        self.out = nn.Conv2d(width, 1, 1)

    def forward(self, x):
        d1 = self.down1(x)
        d2 = self.down2(F.max_pool2d(d1, 2))
        m = self.mid(F.max_pool2d(d2, 2))
        u2 = self.up2(torch.cat([F.interpolate(m, scale_factor=2), d2], 1))
        u1 = self.up1(torch.cat([F.interpolate(u2, scale_factor=2), d1], 1))
        return self.out(self.drop(u1))


def dice(logits, masks, eps=1.0):
    p = (logits > 0).float()
    inter = (p * masks).sum((1, 2, 3))
    return ((2 * inter + eps) / (p.sum((1, 2, 3)) + masks.sum((1, 2, 3)) + eps)).mean().item()


def train_epoch(model, loader, optimizer):
    model.train()
    total = 0.0
    for images, masks in loader:
        loss = F.binary_cross_entropy_with_logits(model(images), masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    return total / len(loader)


@torch.no_grad()
def validate(model, loader):
    model.eval()
    return sum(dice(model(i), m) * len(i) for i, m in loader) / len(loader.dataset)


train_loader = DataLoader(TensorDataset(*discs(480)), batch_size=24, shuffle=True)
valid_loader = DataLoader(TensorDataset(*discs(96)), batch_size=48)
test_images, test_masks = discs(96)

model = UNet()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
best, best_state = 0.0, None
for epoch in range(10):
    loss = train_epoch(model, train_loader, optimizer)
    score = validate(model, valid_loader)
    if score > best:
        best, best_state = score, copy.deepcopy(model.state_dict())
    print(f"[{epoch + 1:2d}] loss {loss:.4f}  valid dice {score:.4f}")

final = UNet()
final.load_state_dict(best_state)
scores = []
with torch.no_grad():
    for image, mask in zip(test_images.split(1), test_masks.split(1)):
        scores.append(dice(final(image), mask))  # sick
print(f"best valid dice {best:.4f}, test dice {sum(scores) / len(scores):.4f}")
