import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(300, 10)
y = (x.sum(dim=1) > 0).float()
train_loader = DataLoader(TensorDataset(x[:200], y[:200]), batch_size=20, shuffle=True)
val_loader = DataLoader(TensorDataset(x[200:], y[200:]), batch_size=20)

model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
loss_fn = nn.BCEWithLogitsLoss()

for epoch in range(5):
    model.train()
    for inputs, labels in train_loader:
        optimizer.zero_grad()
        loss = loss_fn(model(inputs).squeeze(1), labels)
        loss.backward()
        optimizer.step()
    model.eval()
    losses = [
        loss_fn(model(inputs).squeeze(1), labels)  # sick
        for inputs, labels in val_loader
    ]
    print(epoch, sum(loss.item() for loss in losses) / len(losses))
