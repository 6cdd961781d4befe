import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def fit(model, loader, epochs=20):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [10, 15])
    loss_fn = nn.SmoothL1Loss()
    for epoch in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()  # sick
    return loss.item()


if __name__ == "__main__":
    torch.manual_seed(0)
    x = torch.randn(320, 6)
    y = (x[:, :1] * 2).sin() + x[:, 1:2]
    model = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 1))
    loader = DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True)
    print(fit(model, loader))
