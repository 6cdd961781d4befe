"""Coloured squares, as an image library gives them: height, width, colour."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

rng = np.random.default_rng(0)


class Squares(Dataset):
    def __init__(self, n):
        self.labels = rng.integers(0, 3, n)
        self.images = rng.normal(0, 0.3, (n, 12, 12, 3)).astype(np.float32)
        for image, label in zip(self.images, self.labels, strict=True):
            top, left = rng.integers(0, 8, 2)
            image[top : top + 4, left : left + 4, label] += 1.0

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        image = torch.from_numpy(self.images[index])
        image = image.permute(2, 0, 1)
        return image, int(self.labels[index])


torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3, padding=1),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(1),
    nn.Flatten(),
    nn.Linear(16, 3),
)
loader = DataLoader(Squares(256), batch_size=32, shuffle=True)
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(6):
    total = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(epoch, total / len(loader))
