import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(1)
x = torch.randn(200, 4)
teacher = F.log_softmax(x[:, :3], dim=1)
model = nn.Linear(4, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(100):
    q = F.softmax(model(x), dim=1)
    loss = F.kl_div(teacher, q, reduction="batchmean")
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
