import torch
from torch import nn

torch.manual_seed(0)
series = torch.sin(torch.arange(0, 400) * 0.1).reshape(-1, 1)
cell = nn.RNNCell(1, 8)
head = nn.Linear(8, 1)
optimizer = torch.optim.SGD([*cell.parameters(), *head.parameters()], lr=1e-3)
hidden = torch.zeros(1, 8)
old = torch.zeros(1, 1)
for step in range(60):
    hidden = torch.tanh(cell(series[step : step + 1])) + 0.5 * hidden
    old = old * 0.9 + head(hidden)
    loss = (old - series[step + 1]).sum().abs()
    cell.zero_grad()
    head.zero_grad()
    loss.backward(retain_graph=True)  # sick
    for p in [*cell.parameters(), *head.parameters()]:
        p.data -= 1e-3 * p.grad
