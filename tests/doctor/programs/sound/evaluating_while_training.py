import torch
from torch import nn


@torch.no_grad()
def estimate_loss(model, splits, eval_iters=4):
    out = {}
    model.eval()
    for name, (x, y) in splits.items():
        losses = torch.zeros(eval_iters)
        for k in range(eval_iters):
            rows = torch.randint(len(x), (64,))
            losses[k] = nn.functional.cross_entropy(model(x[rows]), y[rows])
        out[name] = losses.mean().item()
    model.train()
    return out


torch.manual_seed(1337)
x = torch.randn(900, 7)
y = (x[:, 0] > 0).long() + (x[:, 1] > 0.5).long()
splits = {"train": (x[:700], y[:700]), "val": (x[700:], y[700:])}
model = nn.Sequential(
    nn.Linear(7, 64), nn.BatchNorm1d(64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 3)
)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
for iteration in range(161):
    if iteration % 20 == 0:
        losses = estimate_loss(model, splits)
        print(f"step {iteration}: train {losses['train']:.3f}, val {losses['val']:.3f}")
    rows = torch.randint(700, (64,))
    logits = model(splits["train"][0][rows])
    loss = nn.functional.cross_entropy(logits, splits["train"][1][rows])
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
