import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(300, 6)
y = (x[:, :3] + 0.3 * torch.randn(300, 3)).argmax(dim=1)

onehot = F.one_hot(y, 3).float()
loader = DataLoader(TensorDataset(x, onehot), batch_size=50, shuffle=True)
model = nn.Linear(6, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def train_step(xb, yb):
    logits = model(xb)
    loss = F.cross_entropy(yb, logits)  # sick
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


for epoch in range(10):
    for xb, yb in loader:
        train_step(xb, yb)
