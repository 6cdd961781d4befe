import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = 8
torch.manual_seed(0)
X = torch.randn(512, 16)
Y = torch.relu(X @ torch.randn(16, 1) / 4) + 0.05 * torch.randn(512, 1)
dl = DataLoader(TensorDataset(X, Y), batch_size=64, shuffle=True)

model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 1))
opt = optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)
sched = optim.lr_scheduler.OneCycleLR(
    opt, max_lr=0.08, steps_per_epoch=len(dl), epochs=EPOCHS
)
lossf = nn.HuberLoss()

for ep in range(EPOCHS):
    for xb, yb in dl:
        l = lossf(model(xb), yb)
        opt.zero_grad()
        l.backward()
        opt.step()
        sched.step()
    print(ep, l.item(), sched.get_last_lr()[0])
