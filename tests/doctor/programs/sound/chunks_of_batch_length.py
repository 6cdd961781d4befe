"""Long series in chunks that happen to be as long as a batch has rows."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Chunked(nn.Module):
    """A GRU over each chunk, then one over what they gave."""

    def __init__(self, chunk_size=16, dim=16):
        super().__init__()
        self.chunk_size = chunk_size
        self.inner = nn.GRU(3, dim, batch_first=True)
        self.outer = nn.GRU(dim, dim, batch_first=True)
        self.out = nn.Linear(dim, 1)

    def forward(self, x):
        batch_size = x.size(0)
        chunks = x.reshape(-1, self.chunk_size, x.size(2))
        _, hidden = self.inner(chunks)
        _, hidden = self.outer(hidden.view(batch_size, -1, hidden.size(2)))
        return self.out(hidden[-1]).view(-1)


torch.manual_seed(0)
series = torch.randn(160, 64, 3)
target = series[:, -8:, 0].mean(dim=1)
loader = DataLoader(TensorDataset(series, target), batch_size=16, shuffle=True)
model = Chunked()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(6):
    for x, y in loader:
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
