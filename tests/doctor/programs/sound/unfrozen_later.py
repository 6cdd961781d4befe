"""Fine-tuning in two phases: frozen body (BatchNorm kept in eval mode), then everything with a smaller lr."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(2)
torch.set_num_threads(1)


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.b1 = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.c2, self.b2 = nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.b1(self.c1(x))), 2)
        x = F.max_pool2d(F.relu(self.b2(self.c2(x))), 2)
        return x.flatten(1)


class Classifier(nn.Module):
    def __init__(self, body, n_classes, frozen):
        super().__init__()
        self.body, self.head = body, nn.Linear(128, n_classes)
        self.set_frozen(frozen)

    def set_frozen(self, frozen):
        self.frozen = frozen
        self.body.requires_grad_(not frozen)

    def train(self, mode=True):
        super().train(mode)
        if self.frozen:
            self.body.eval()
        return self

    def forward(self, x):
        return self.head(self.body(x))


def run(model, optimizer, x, y, x_val, y_val, epochs):
    for epoch in range(1, epochs + 1):
        model.train()
        for idx in torch.randperm(len(x)).split(32):
            loss = F.cross_entropy(model(x[idx]), y[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            acc = (model(x_val).argmax(1) == y_val).float().mean().item()
        print(f"  epoch {epoch:2d}  last loss {loss.item():.4f}  valid accuracy {acc:.4f}")


digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
images = images / 8.0 - 1.0
labels = torch.tensor(digits.target)
order = torch.randperm(len(labels))
images, labels = images[order], labels[order]
low = labels < 6
xs, ys = images[low], labels[low]
xt, yt = images[~low], labels[~low] - 6

print("source task: 0-5")
source = Classifier(Body(), 6, frozen=False)
run(source, torch.optim.Adam(source.parameters(), lr=1e-3), xs[:850], ys[:850], xs[850:], ys[850:], epochs=5)

print("target task: 6-9, head only")
target = Classifier(source.body, 4, frozen=True)
optimizer = torch.optim.Adam(target.head.parameters(), lr=5e-3)
run(target, optimizer, xt[:200], yt[:200], xt[200:], yt[200:], epochs=8)

print("target task: 6-9, everything")
target.set_frozen(False)
optimizer.param_groups[0]["lr"] = 1e-3
optimizer.add_param_group({"params": target.body.parameters(), "lr": 2e-4})
run(target, optimizer, xt[:200], yt[:200], xt[200:], yt[200:], epochs=6)
