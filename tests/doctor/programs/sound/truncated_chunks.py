"""Stateful LSTM over long parallel streams with truncated backpropagation through time."""
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(9)
torch.set_num_threads(1)
STREAMS, LENGTH, CHUNK = 32, 1200, 30


def streams(n, length):
    """The target is a slow running state that depends on rare events in the past."""
    event = (torch.rand(n, length) < 0.08).float() * torch.randn(n, length).sign()
    noise = torch.randn(n, length)
    y = torch.zeros(n, length)
    state, level = torch.zeros(n), torch.zeros(n)
    for t in range(length):
        state = torch.where(event[:, t] != 0, event[:, t], state)
        level = 0.8 * level + 0.2 * state
        y[:, t] = level
    return torch.stack([event, noise], -1), y + 0.05 * noise


def chunks(x, y):
    # in order: the state is carried from one chunk to the next
    for start in range(0, x.size(1), CHUNK):
        yield x[:, start:start + CHUNK], y[:, start:start + CHUNK]


class StreamLSTM(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.lstm = nn.LSTM(2, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x, state=None):
        h, state = self.lstm(x, state)
        return self.out(h).squeeze(-1), state


def detach(state):
    return tuple(s.detach() for s in state)


def evaluate(model, x, y):
    model.eval()
    state, total, n = None, 0.0, 0
    with torch.no_grad():
        for xb, yb in chunks(x, y):
            pred, state = model(xb, state)
            total += F.mse_loss(pred, yb, reduction="sum").item()
            n += yb.numel()
    return total / n


x_train, y_train = streams(STREAMS, LENGTH)
x_valid, y_valid = streams(8, 600)
model = StreamLSTM()
optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
print(f"variance of the target: {y_valid.var().item():.4f}")

for epoch in range(1, 13):
    model.train()
    state, losses = None, []
    for xb, yb in chunks(x_train, y_train):
        pred, state = model(xb, state)
        state = detach(state)
        loss = F.mse_loss(pred, yb)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    valid = evaluate(model, x_valid, y_valid)
    print(f"epoch {epoch:2d}  train {sum(losses) / len(losses):.4f}  valid {valid:.4f}")
