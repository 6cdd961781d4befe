import torch
from torch import nn


class Regressor(nn.Module):
    def __init__(self, width=48):
        super().__init__()
        self.hidden = nn.Linear(3, width)
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        h = torch.relu(self.hidden(x))
        h = nn.Dropout(0.2)(h)  # sick
        return self.head(h).squeeze(-1)


def main():
    torch.manual_seed(0)
    x = torch.rand(256, 3)
    y = x[:, 0] - 2 * x[:, 1] * x[:, 2]
    model, criterion = Regressor(), nn.L1Loss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(10):
        model.train()
        for xb, yb in zip(x[:192].split(32), y[:192].split(32), strict=True):
            optimizer.zero_grad()
            criterion(model(xb), yb).backward()
            optimizer.step()
        model.eval()
        with torch.inference_mode():
            print(epoch, criterion(model(x[192:]), y[192:]).item())


main()
