import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(300, 6)
y = (x[:, :3] + 0.3 * torch.randn(300, 3)).argmax(dim=1)

teacher = F.softmax(3 * x[:, :3], dim=1)
student = nn.Linear(6, 3)
optimizer = torch.optim.Adam(student.parameters(), lr=0.02)
for step in range(100):
    optimizer.zero_grad()
    q = F.log_softmax(student(x), dim=1)
    loss = F.kl_div(q, teacher, reduction="batchmean")
    loss.backward()
    optimizer.step()
