"""Distil a wide teacher into a narrow student (digits)."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(14)
torch.set_num_threads(1)
TEMPERATURE = 4.0
ALPHA = 0.9


def net(width, depth):
    layers, d = [], 64
    for _ in range(depth):
        layers += [nn.Linear(d, width), nn.ReLU()]
        d = width
    return nn.Sequential(*layers, nn.Linear(d, 10))


def distillation_loss(student_logits, teacher_logits, labels):
    t = TEMPERATURE
    soft_student = F.log_softmax(student_logits / t, dim=1)
    soft_teacher = F.softmax(teacher_logits / t, dim=1)
    soft = F.kl_div(soft_student, soft_teacher, reduction="batchmean") * t * t
    hard = F.cross_entropy(student_logits, labels)
    return ALPHA * soft + (1 - ALPHA) * hard


@torch.no_grad()
def accuracy(model, loader):
    model.eval()
    hits = sum((model(x).argmax(1) == y).sum().item() for x, y in loader)
    return hits / len(loader.dataset)


def train_teacher(model, loader, valid, epochs):
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(epochs):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
        if epoch % 5 == 4:
            print(f"teacher epoch {epoch + 1:2d}  loss {loss.item():.4f}  acc {accuracy(model, valid):.4f}")


def train_student(student, teacher, loader, valid, epochs):
    optimizer = torch.optim.Adam(student.parameters(), lr=2e-3)
    teacher.eval()
    for epoch in range(epochs):
        student.train()
        total = 0.0
        for x, y in loader:
            with torch.no_grad():
                t_logits = teacher(x)
            loss = distillation_loss(student(x), t_logits, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        if epoch % 2 == 1:
            print(f"student epoch {epoch + 1:2d}  loss {total / len(loader.dataset):.4f}  acc {accuracy(student, valid):.4f}")


data = load_digits()
x = torch.tensor(data.data / 8.0 - 1.0, dtype=torch.float32)
y = torch.tensor(data.target)
perm = torch.randperm(len(x))
x, y = x[perm], y[perm]
train_loader = DataLoader(TensorDataset(x[:1200], y[:1200]), batch_size=64, shuffle=True)
valid_loader = DataLoader(TensorDataset(x[1200:], y[1200:]), batch_size=300)

teacher, student = net(256, 2), net(12, 1)
train_teacher(teacher, train_loader, valid_loader, epochs=20)
train_student(student, teacher, train_loader, valid_loader, epochs=20)
print(f"teacher {accuracy(teacher, valid_loader):.4f}  student {accuracy(student, valid_loader):.4f}")
