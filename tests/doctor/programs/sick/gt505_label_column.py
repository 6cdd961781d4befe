import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(400, 5)
y = (x[:, 0] - x[:, 1] + 0.3 * torch.randn(400) > 0).float()

table = torch.cat([x, y.unsqueeze(1)], dim=1)
loader = DataLoader(TensorDataset(table, y), batch_size=40, shuffle=True)
model = nn.Sequential(nn.Linear(table.size(1), 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(10):
    for features, labels in loader:
        optimizer.zero_grad()
        logits = model(features).squeeze(1)
        loss = F.binary_cross_entropy_with_logits(logits, labels)  # sick
        loss.backward()
        optimizer.step()
