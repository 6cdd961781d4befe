"""Monte-Carlo dropout: the masks stay on for prediction and many passes are averaged."""
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn

torch.manual_seed(3)
torch.set_num_threads(1)
x, y = load_breast_cancer(return_X_y=True)
xa, xb, ya, yb = train_test_split(x, y, test_size=0.3, random_state=3, stratify=y)
m, s = xa.mean(0), xa.std(0)
xa, xb = (torch.tensor((v - m) / s, dtype=torch.float32) for v in (xa, xb))
ya, yb = (torch.tensor(v, dtype=torch.float32).reshape(-1, 1) for v in (ya, yb))


class BayesianNet(nn.Module):
    def __init__(self, p=0.25):
        super().__init__()
        self.p = p
        self.one = nn.Linear(30, 64)
        self.two = nn.Linear(64, 64)
        self.out = nn.Linear(64, 1)

    def forward(self, x):
        h = F.dropout(F.relu(self.one(x)), self.p, training=True)
        h = F.dropout(F.relu(self.two(h)), self.p, training=True)
        return self.out(h)


@torch.no_grad()
def posterior(net, x, passes=60):
    draws = torch.stack([torch.sigmoid(net(x)) for _ in range(passes)])
    return draws.mean(0), draws.std(0)


net = BayesianNet()
decay = [p for n, p in net.named_parameters() if n.endswith("weight")]
plain = [p for n, p in net.named_parameters() if n.endswith("bias")]
opt = torch.optim.AdamW([{"params": decay, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], lr=2e-3)
for epoch in range(40):
    losses = []
    for rows in torch.randperm(len(xa)).split(50):
        loss = F.binary_cross_entropy_with_logits(net(xa[rows]), ya[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    if epoch % 10 == 9:
        prob, spread = posterior(net, xb)
        right = (prob > 0.5).float() == yb
        print(f"epoch {epoch + 1} loss {np.mean(losses):.4f} accuracy {right.float().mean():.4f} "
              f"spread where right {spread[right].mean():.3f}, where wrong {spread[~right].mean():.3f}")
