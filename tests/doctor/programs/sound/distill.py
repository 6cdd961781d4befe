import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(200, 6)
y = x[:, :3].argmax(dim=1)
teacher = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 3))
opt_t = torch.optim.Adam(teacher.parameters(), lr=1e-2)
for _ in range(60):
    opt_t.zero_grad()
    F.cross_entropy(teacher(x), y).backward()
    opt_t.step()
teacher.eval()
student = nn.Linear(6, 3)
opt = torch.optim.Adam(student.parameters(), lr=1e-2)
history = []
for _ in range(100):
    wanted = teacher(x).softmax(dim=1).detach()
    loss = -(wanted * student(x).log_softmax(dim=1)).sum(dim=1).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    history.append(loss.item())
