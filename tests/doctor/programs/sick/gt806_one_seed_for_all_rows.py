"""Digits with random shifts and noise as augmentation."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, Dataset


class ShiftedDigits(Dataset):
    def __init__(self, images, labels, augment=False, seed=0, pad=2):
        self.images = np.pad(images, ((0, 0), (pad, pad), (pad, pad)))
        self.labels = labels
        self.augment = augment
        self.seed = seed
        self.max_shift = pad

    def __len__(self):
        return len(self.labels)

    def random_shift(self, image, rng):
        dy, dx = rng.integers(-self.max_shift, self.max_shift + 1, size=2)
        return np.roll(image, (dy, dx), axis=(0, 1))

    def __getitem__(self, index):
        image = self.images[index]
        if self.augment:
            rng = np.random.default_rng(self.seed)  # sick
            image = self.random_shift(image, rng)
            image = image * rng.uniform(0.8, 1.2) + 0.05 * rng.standard_normal(image.shape)
        return torch.tensor(image, dtype=torch.float32).unsqueeze(0), int(self.labels[index])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc1 = nn.Linear(32 * 3 * 3, 64)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(x.flatten(1)))
        return self.fc2(F.dropout(x, 0.3, self.training))


def accuracy(model, loader):
    model.eval()
    correct = 0
    with torch.no_grad():
        for x, y in loader:
            correct += (model(x).argmax(1) == y).sum().item()
    return correct / len(loader.dataset)


def main(seed=5, epochs=15):
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    np.random.seed(seed)
    digits = load_digits()
    x_tr, x_va, y_tr, y_va = train_test_split(digits.images / 16.0, digits.target, train_size=1000,
                                              stratify=digits.target, random_state=seed)
    train_loader = DataLoader(ShiftedDigits(x_tr, y_tr, augment=True, seed=seed), batch_size=32, shuffle=True)
    valid_loader = DataLoader(ShiftedDigits(x_va, y_va), batch_size=300)
    model = Net()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    for epoch in range(epochs):
        model.train()
        losses = []
        for x, y in train_loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        scheduler.step()
        print(f"epoch {epoch + 1:2d}  loss {np.mean(losses):.4f}  valid accuracy {accuracy(model, valid_loader):.4f}")


if __name__ == "__main__":
    main()
