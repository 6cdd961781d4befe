import torch
from torch.utils.data import DataLoader, IterableDataset


class Stream(IterableDataset):
    def __init__(self, length, seed):
        self.length, self.seed = length, seed
        self.epoch = 0

    def __iter__(self):
        self.epoch += 1
        g = torch.Generator().manual_seed(1000 * self.seed + self.epoch)
        for _ in range(self.length):
            x = torch.rand(5, generator=g) * 2 - 1
            yield x, (x.sum() + x[0] * x[1]).unsqueeze(0)


torch.manual_seed(0)
stream = DataLoader(Stream(600, seed=1), batch_size=30)
model = torch.nn.Sequential(
    torch.nn.Linear(5, 32), torch.nn.Softplus(), torch.nn.Linear(32, 1)
)
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.05)
for epoch in range(5):
    seen, total = 0, 0.0
    for x, y in stream:
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        seen += len(x)
        total += loss.item() * len(x)
    print(epoch, total / seen)
