import torch
import torch.nn.functional as F
from torch import nn


class Classifier(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 16))
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        return self.fc(F.relu(self.body(x)))


torch.manual_seed(0)
x = torch.randn(240, 8)
y = x[:, :4].argmax(dim=1)
model = Classifier(classes=10)
model.fc = nn.Linear(16, 4)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for epoch in range(20):
    for rows in torch.randperm(240).split(40):
        loss = F.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
print(loss.item())
