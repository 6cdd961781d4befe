"""Large effective batches on a small machine: micro-batches with exact weighting."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

torch.manual_seed(0)
torch.set_num_threads(1)
x, y = load_digits(return_X_y=True)
xtr, xte, ytr, yte = train_test_split((x / 16 - 0.3).astype("float32"), y, test_size=0.25, random_state=0, stratify=y)
xtr, xte, ytr, yte = map(torch.from_numpy, (xtr, xte, ytr, yte))

EFFECTIVE, MICRO = 128, 24


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(64, 80)
        self.b = nn.Linear(80, 80)
        self.c = nn.Linear(80, 10)

    def forward(self, x):
        h = F.gelu(self.a(x))
        h = h + F.gelu(self.b(h))
        return self.c(h)


net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.15, momentum=0.9, nesterov=True)
for epoch in range(20):
    net.train()
    seen = 0.0
    for group in torch.randperm(len(xtr)).split(EFFECTIVE):
        for micro in group.split(MICRO):
            total = F.cross_entropy(net(xtr[micro]), ytr[micro], reduction="sum")
            (total / len(group)).backward()
            seen += total.item()
        nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        opt.step()
        opt.zero_grad()
    if epoch % 5 == 4:
        net.eval()
        with torch.no_grad():
            acc = (net(xte).argmax(1) == yte).float().mean().item()
        print(f"epoch {epoch + 1} loss {seen / len(xtr):.4f} accuracy {acc:.4f}")
