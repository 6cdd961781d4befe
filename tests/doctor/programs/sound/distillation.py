import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


def mlp(*sizes, dropout=0.0):
    layers = []
    for a, b in zip(sizes[:-2], sizes[1:-1]):
        layers += [nn.Linear(a, b), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def train_teacher(teacher, loader):
    opt = torch.optim.Adam(teacher.parameters(), lr=3e-3)
    teacher.train()
    for _ in range(6):
        for x, y in loader:
            opt.zero_grad()
            F.cross_entropy(teacher(x), y).backward()
            opt.step()


def distil(teacher, student, loader, T=2.0, alpha=0.5):
    opt = torch.optim.Adam(student.parameters(), lr=5e-3)
    teacher.eval()
    student.train()
    for epoch in range(6):
        for x, y in loader:
            with torch.no_grad():
                soft = F.softmax(teacher(x) / T, dim=-1)
            logits = student(x)
            kd = F.kl_div(
                F.log_softmax(logits / T, dim=-1), soft, reduction="batchmean"
            )
            loss = alpha * T * T * kd + (1 - alpha) * F.cross_entropy(logits, y)
            opt.zero_grad()
            loss.backward()
            opt.step()
        print("student", epoch, loss.item())


torch.manual_seed(0)
x = torch.randn(600, 8)
y = (x[:, :4] + 0.5 * x[:, 4:]).argmax(dim=1)
loader = DataLoader(TensorDataset(x, y), batch_size=60, shuffle=True)
teacher, student = mlp(8, 64, 64, 4, dropout=0.1), mlp(8, 12, 4)
train_teacher(teacher, loader)
distil(teacher, student, loader)
student.eval()
with torch.no_grad():
    print((student(x).argmax(1) == y).float().mean().item())
