import torch
from torch import nn


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 32), nn.ReLU())
        self.kind = nn.Linear(32, 3)
        self.size = nn.Linear(32, 1)

    def forward(self, x):
        h = self.body(x)
        return self.kind(h), self.size(h)


torch.manual_seed(0)
x = torch.randn(256, 8)
kind, size = x[:, :3].argmax(1), x[:, 3:].sum(1, keepdim=True)
model = TwoHeads()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
cross_entropy, mse = nn.CrossEntropyLoss(), nn.MSELoss()
for epoch in range(10):
    for rows in torch.randperm(256).split(32):
        optimizer.zero_grad()
        logits, predicted = model(x[rows])
        loss_kind = cross_entropy(logits, kind[rows])
        loss_size = mse(predicted, size[rows])
        loss = loss_kind + loss_size
        loss.backward()
        optimizer.step()
    print(epoch, loss_kind.item(), loss_size.item())
