"""Stateful recurrent net on one long signal: chunks in order, the state is handed on."""
import torch
import torch.nn as nn

torch.manual_seed(2)
torch.set_num_threads(1)
STREAMS, STEPS, CHUNK, DELAY = 16, 1200, 30, 6


def signals(n):
    """output: mix of the input now and DELAY steps ago"""
    u = torch.rand(STEPS, n, 1) * 2 - 1
    past = torch.cat([torch.zeros(DELAY, n, 1), u[:-DELAY]])
    return u, 0.7 * past + 0.3 * u * past


class Filter(nn.Module):
    def __init__(self, hidden=40):
        super().__init__()
        self.rnn = nn.GRU(1, hidden)  # time first
        self.read = nn.Linear(hidden, 1)

    def forward(self, u, state=None):
        h, state = self.rnn(u, state)
        return self.read(h), state


u_tr, y_tr = signals(STREAMS)
u_va, y_va = signals(8)
model = Filter()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
for sweep in range(10):
    model.train()
    state, total = None, 0.0
    for k in range(0, STEPS, CHUNK):
        pred, state = model(u_tr[k:k + CHUNK], state)
        loss = (pred - y_tr[k:k + CHUNK]).pow(2).mean()
        for p in model.parameters():
            p.grad = None
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        state = state.detach()
        total += loss.item() * CHUNK / STEPS
    model.eval()
    with torch.no_grad():
        valid = (model(u_va)[0] - y_va).pow(2).mean().item()
    print(f"sweep {sweep} train {total:.5f} valid {valid:.5f} (variance {y_va.var().item():.4f})")
