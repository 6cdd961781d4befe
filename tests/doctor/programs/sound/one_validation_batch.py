import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(1)
x = torch.randn(400, 4)
y = (x[:, 0] > 0).long()
train_loader = DataLoader(TensorDataset(x[:300], y[:300]), batch_size=10, shuffle=True)
val_loader = DataLoader(TensorDataset(x[300:], y[300:]), batch_size=10, shuffle=True)
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(3):
    for step, (features, labels) in enumerate(train_loader):
        loss = F.cross_entropy(model(features), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            model.eval()
            with torch.no_grad():
                features, labels = next(iter(val_loader))
                print(F.cross_entropy(model(features), labels).item())
            model.train()
