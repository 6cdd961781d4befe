"""Sums of short series with an LSTM that takes time first."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Summing(nn.Module):
    def __init__(self, hidden_size=24):
        super().__init__()
        self.lstm = nn.LSTM(2, hidden_size)
        self.fc = nn.Linear(hidden_size, 1)

    def forward(self, x):
        batch_size, seq_len, num_features = x.shape
        x = x.view(seq_len, batch_size, num_features)  # sick
        out, _ = self.lstm(x)
        return self.fc(out[-1]).squeeze(1)


torch.manual_seed(0)
data = torch.randn(300, 12, 2)
targets = data[:, :, 0].sum(dim=1) / 4
loader = DataLoader(TensorDataset(data, targets), batch_size=32, shuffle=True)

model = Summing()
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for epoch in range(8):
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(inputs), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
