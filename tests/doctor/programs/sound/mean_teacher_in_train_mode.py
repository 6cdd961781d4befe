"""Mean teacher: few labels, a consistency term, and an averaged copy of the student as the teacher."""
import copy
import math
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(5)
torch.set_num_threads(1)


def make_net():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(128, 10),
    )


@torch.no_grad()
def ema_update(teacher, student, decay):
    for pt, ps in zip(teacher.parameters(), student.parameters()):
        pt.lerp_(ps, 1 - decay)
    for bt, bs in zip(teacher.buffers(), student.buffers()):
        bt.copy_(bs)


def noisy(x):
    return x + 0.25 * torch.randn_like(x)


@torch.no_grad()
def accuracy(model, x, y):
    model.eval()
    return (model(x).argmax(1) == y).float().mean().item()


digits = load_digits()
x = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1)
x = x / 8.0 - 1.0
y = torch.tensor(digits.target)
perm = torch.randperm(len(x))
labelled, unlabelled, test = perm[:100], perm[100:1300], perm[1300:]

student = make_net()
teacher = copy.deepcopy(student).requires_grad_(False)
optimizer = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-4)

step, ramp = 0, 300
for epoch in range(1, 26):
    sums = [0.0, 0.0]
    chunks = unlabelled[torch.randperm(len(unlabelled))].split(60)
    for u_idx in chunks:
        student.train()
        teacher.train()  # the teacher's noise (dropout) is part of the method
        l_idx = labelled[torch.randint(len(labelled), (20,))]
        both = torch.cat([l_idx, u_idx])
        logits = student(noisy(x[both]))
        with torch.no_grad():
            goal = F.softmax(teacher(noisy(x[both])), dim=1)
        supervised = F.cross_entropy(logits[:20], y[l_idx])
        consistency = (F.softmax(logits, dim=1) - goal).pow(2).sum(1).mean()
        weight = 3.0 * math.exp(-5 * (1 - min(step / ramp, 1.0)) ** 2)
        loss = supervised + weight * consistency
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        ema_update(teacher, student, min(1 - 1 / (step + 1), 0.99))
        sums[0] += supervised.item()
        sums[1] += consistency.item()
    if epoch % 3 == 1:
        a, b = accuracy(student, x[test], y[test]), accuracy(teacher, x[test], y[test])
        print(f"epoch {epoch:2d}  sup {sums[0] / len(chunks):.4f}  cons {sums[1] / len(chunks):.4f}  "
              f"student {a:.4f}  teacher {b:.4f}")
