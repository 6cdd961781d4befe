# Fine-tuning: a small rate for the body, a larger one for the head.
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


def stage(model, dataset, optimizer, epochs):
    loader = DataLoader(dataset, batch_size=40, shuffle=True, drop_last=True)
    for _ in range(epochs):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
    return loss.item()


torch.manual_seed(0)
x = torch.randn(900, 12)
proj = torch.randn(12, 5)
body = nn.Sequential(nn.Linear(12, 64), nn.BatchNorm1d(64), nn.ReLU())
old = nn.Sequential(body, nn.Linear(64, 5))
big = TensorDataset(x, (x @ proj).argmax(1))
print("old", stage(old, big, torch.optim.Adam(old.parameters(), lr=5e-3), 6))

small, held_out = random_split(
    TensorDataset(x[:400], (x[:400] @ proj)[:, :2].argmax(1)), [320, 80]
)
new = nn.Sequential(body, nn.Linear(64, 2))
optimizer = torch.optim.Adam(
    [{"params": new[0].parameters(), "lr": 5e-4}, {"params": new[1].parameters()}],
    lr=1e-2,
)
print("new", stage(new, small, optimizer, 6))
new.eval()
with torch.no_grad():
    xs, ys = held_out[:]
    print("held out", (new(xs).argmax(1) == ys).float().mean().item())
