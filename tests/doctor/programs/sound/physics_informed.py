# u'' = -u with u(0) = 0 and u'(0) = 1, whose answer is sin.
import torch
from torch import nn
from torch.autograd import grad

torch.manual_seed(0)
u = nn.Sequential(
    nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1)
)
opt = torch.optim.Adam(u.parameters(), lr=5e-3)

for step in range(300):
    t = (3 * torch.rand(64, 1)).requires_grad_()
    y = u(t)
    dy = grad(y.sum(), t, create_graph=True)[0]
    ddy = grad(dy.sum(), t, create_graph=True)[0]
    t0 = torch.zeros(1, 1, requires_grad=True)
    y0 = u(t0)
    dy0 = grad(y0.sum(), t0, create_graph=True)[0]
    residual = (ddy + y).pow(2).mean()
    start = y0.pow(2).mean() + (dy0 - 1).pow(2).mean()
    loss = residual + start
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 100 == 0:
        print(step, loss.item())
