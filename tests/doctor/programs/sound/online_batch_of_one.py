# Rows arrive one at a time, and each is learned from at once.
import random

import torch

torch.manual_seed(0)
random.seed(0)
truth = torch.tensor([1.5, -0.7, 0.3])


def stream(n):
    for _ in range(n):
        row = torch.randn(1, 3)
        yield row, (row @ truth).unsqueeze(1) + 0.05 * torch.randn(1, 1)


model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)
average = None
for t, (row, answer) in enumerate(stream(400)):
    error = torch.nn.functional.mse_loss(model(row), answer)
    optimizer.zero_grad()
    error.backward()
    optimizer.step()
    average = error.item() if average is None else 0.97 * average + 0.03 * error.item()
    if t % 100 == 0:
        print(t, average)
