import torch
from torch import nn

WARMUP = 40


def noam(step, d_model=16):
    step = max(step, 1)
    return d_model**-0.5 * min(step**-0.5, step * WARMUP**-1.5)


torch.manual_seed(0)
x = torch.randn(256, 16)
y = x[:, :8].sum(1, keepdim=True).tanh()
net = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 1))
opt = torch.optim.Adam(net.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
sched = torch.optim.lr_scheduler.LambdaLR(opt, lr_lambda=lambda step: noam(step))
for epoch in range(10):
    for rows in torch.randperm(256).split(16):
        loss = nn.functional.mse_loss(net(x[rows]), y[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
        sched.step()
    print(epoch, loss.item(), opt.param_groups[0]["lr"])
