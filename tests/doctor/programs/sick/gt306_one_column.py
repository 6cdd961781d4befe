import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(400, 5)
y = (x[:, 0] - x[:, 1] + 0.3 * torch.randn(400) > 0).float()

loader = DataLoader(TensorDataset(x, y.unsqueeze(1)), batch_size=40, shuffle=True)
model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(5):
    for features, labels in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(features), labels)  # sick
        loss.backward()
        optimizer.step()
