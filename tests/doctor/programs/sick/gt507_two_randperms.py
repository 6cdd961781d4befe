import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(600, 10)
y = (x[:, 0] + x[:, 1] > 0).long()

x = x[torch.randperm(600)]
y = y[torch.randperm(600)]  # sick
x_train, y_train = x[:500], y[:500]
x_val, y_val = x[500:], y[500:]

model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 2))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(10):
    for i in range(0, 500, 50):
        optimizer.zero_grad()
        loss = criterion(model(x_train[i : i + 50]), y_train[i : i + 50])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = (model(x_val).argmax(1) == y_val).float().mean().item()
    print(epoch, loss.item(), accuracy)
