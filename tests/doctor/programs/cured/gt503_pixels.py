import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(1)
images = torch.randint(0, 256, (300, 1, 8, 8), dtype=torch.uint8)
images[:150, :, :4] //= 2
labels = (torch.arange(300) >= 150).long()
x = images.float() / 255
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(150):
    rows = torch.randint(300, (50,))
    loss = F.cross_entropy(model(x[rows]), labels[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
