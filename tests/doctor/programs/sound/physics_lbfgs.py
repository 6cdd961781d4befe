"""Physics-informed network for the damped oscillator  u'' + 0.4 u' + 4 u = 0, trained with L-BFGS."""
import math
import torch
import torch.nn as nn

torch.manual_seed(3)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
C, K = 0.4, 4.0


def exact(t):
    w = math.sqrt(K - C * C / 4)
    return torch.exp(-C * t / 2) * (torch.cos(w * t) + C / (2 * w) * torch.sin(w * t))


class PINN(nn.Module):
    def __init__(self, width=24):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(1, width), nn.Tanh(),
            nn.Linear(width, width), nn.Tanh(),
            nn.Linear(width, 1),
        )

    def forward(self, t):
        # u(0) = 1 and u'(0) = 0 hold by construction
        return 1 + t ** 2 * self.net(t / 3 - 1)


def residual(model, t):
    u = model(t)
    du, = torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)
    ddu, = torch.autograd.grad(du, t, torch.ones_like(du), create_graph=True)
    return ddu + C * du + K * u


model = PINN()
t = torch.linspace(0, 6, 120).unsqueeze(1).requires_grad_(True)
weight = torch.exp(-0.3 * t.detach())
optimizer = torch.optim.LBFGS(model.parameters(), lr=1.0, max_iter=20, history_size=30,
                              line_search_fn="strong_wolfe", tolerance_change=1e-12)
evaluations = 0


def closure():
    global evaluations
    evaluations += 1
    optimizer.zero_grad()
    loss = (weight * residual(model, t) ** 2).mean()
    loss.backward()
    return loss


t_test = torch.linspace(0, 6, 301).unsqueeze(1)
for it in range(1, 41):
    loss = optimizer.step(closure)
    if it % 4 == 0:
        with torch.no_grad():
            err = (model(t_test) - exact(t_test)).abs().max().item()
        print(f"iteration {it:3d}  evaluations {evaluations:4d}  loss {loss.item():.3e}  max error {err:.3e}")
