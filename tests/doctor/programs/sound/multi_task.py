import torch
import torch.nn.functional as F
from torch import nn


class TwoHeads(nn.Module):
    def __init__(self, d=10, width=48):
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(d, width), nn.ELU(), nn.Linear(width, width), nn.ELU()
        )
        self.kind = nn.Linear(width, 4)
        self.amount = nn.Linear(width, 1)

    def forward(self, x):
        h = self.trunk(x)
        return {"kind": self.kind(h), "amount": self.amount(h).squeeze(-1)}


def batches(data, size, generator):
    order = torch.randperm(len(data["x"]), generator=generator)
    for i in range(0, len(order), size):
        take = order[i : i + size]
        yield {k: v[take] for k, v in data.items()}


generator = torch.Generator().manual_seed(11)
torch.manual_seed(11)
x = torch.randn(700, 10)
data = {"x": x, "kind": x[:, :4].argmax(dim=1), "amount": x[:, 4] - 0.5 * x[:, 5]}

net = TwoHeads()
optim = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(8):
    sums = [0.0, 0.0]
    for batch in batches(data, 70, generator):
        out = net(batch["x"])
        l1 = F.cross_entropy(out["kind"], batch["kind"])
        l2 = F.mse_loss(out["amount"], batch["amount"])
        loss = l1 + 0.5 * l2
        optim.zero_grad()
        loss.backward()
        optim.step()
        sums[0] += l1.item() / 10
        sums[1] += l2.item() / 10
    print(f"{epoch}: kind {sums[0]:.3f}  amount {sums[1]:.3f}")
