"""The teacher is an average of the student, in train mode, as in the paper."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(300, 4)
y = (x[:, 0] + x[:, 1] > 0).long()
student = nn.Sequential(
    nn.Linear(4, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 2)
)
teacher = copy.deepcopy(student)
for p in teacher.parameters():
    p.requires_grad_(False)
optimizer = torch.optim.Adam(student.parameters(), lr=5e-3)
for step in range(100):
    rows = torch.randint(0, 300, (40,))
    noisy = x[rows] + 0.1 * torch.randn(40, 4)
    logits = student(noisy)
    with torch.no_grad():
        goal = teacher(x[rows] + 0.1 * torch.randn(40, 4)).softmax(1)
    labelled = rows < 60
    loss = F.mse_loss(logits.softmax(1), goal)
    if labelled.any():
        loss = loss + F.cross_entropy(logits[labelled], y[rows][labelled])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        for t, s in zip(teacher.parameters(), student.parameters(), strict=True):
            t.lerp_(s, 0.05)
teacher.eval()
with torch.no_grad():
    print((teacher(x).argmax(1) == y).float().mean().item())
