import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(400, 5)
y = (x[:, 0] - x[:, 1] + 0.3 * torch.randn(400) > 0).float()

train_set = TensorDataset(x[:350], y[:350])
val_set = TensorDataset(x[250:], y[250:])
train_loader = DataLoader(train_set, batch_size=25, shuffle=True)
val_loader = DataLoader(val_set, batch_size=50)
model = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)


def evaluate(loader):
    model.eval()
    right = 0
    with torch.no_grad():
        for features, labels in loader:
            guess = model(features)[:, 0] > 0  # sick
            right += (guess.float() == labels).sum().item()
    return right / len(loader.dataset)


for epoch in range(5):
    model.train()
    for features, labels in train_loader:
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(model(features)[:, 0], labels).backward()
        optimizer.step()
    print(epoch, evaluate(train_loader), evaluate(val_loader))
