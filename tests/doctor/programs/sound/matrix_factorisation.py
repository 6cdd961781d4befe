import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Factors(nn.Module):
    def __init__(self, users, items, k=6):
        super().__init__()
        self.user = nn.Embedding(users, k)
        self.item = nn.Embedding(items, k)
        self.user_bias = nn.Embedding(users, 1)
        self.item_bias = nn.Embedding(items, 1)
        for table in (self.user, self.item):
            nn.init.normal_(table.weight, std=0.3)
        for table in (self.user_bias, self.item_bias):
            nn.init.zeros_(table.weight)

    def forward(self, u, i):
        dot = (self.user(u) * self.item(i)).sum(1)
        return dot + self.user_bias(u).squeeze(1) + self.item_bias(i).squeeze(1)


torch.manual_seed(0)
U, I = 40, 30
true = torch.randn(U, 3) @ torch.randn(3, I) / 3**0.5
u, i = torch.cartesian_prod(torch.arange(U), torch.arange(I)).t()
ratings = true[u, i]
keep = torch.randperm(len(u))
train, test = keep[:1000], keep[1000:]
loader = DataLoader(
    TensorDataset(u[train], i[train], ratings[train]), batch_size=50, shuffle=True
)
model = Factors(U, I)
opt = torch.optim.Adam(model.parameters(), lr=2e-2, weight_decay=1e-5)
for epoch in range(12):
    total = 0.0
    for a, b, r in loader:
        loss = (model(a, b) - r).pow(2).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        total += loss.item() / len(loader)
    with torch.no_grad():
        rmse = (model(u[test], i[test]) - ratings[test]).pow(2).mean().sqrt()
    print(epoch, f"{total:.3f} {rmse.item():.3f}")
