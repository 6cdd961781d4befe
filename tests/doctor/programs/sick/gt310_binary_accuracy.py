import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(500, 6)
y = (x[:, 0] - x[:, 1] > 0).float()
train = DataLoader(TensorDataset(x[:400], y[:400]), batch_size=50, shuffle=True)
test = DataLoader(TensorDataset(x[400:], y[400:]), batch_size=50)

model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)


def binary_accuracy(preds, labels):
    rounded = torch.round(torch.sigmoid(preds))
    correct = (rounded == labels).float()  # sick
    return correct.sum() / len(correct)


for epoch in range(5):
    model.train()
    for features, labels in train:
        optimizer.zero_grad()
        loss = criterion(model(features), labels.unsqueeze(1))
        loss.backward()
        optimizer.step()
    model.eval()
    accuracies = []
    with torch.no_grad():
        for features, labels in test:
            accuracies.append(binary_accuracy(model(features), labels).item())
    print(epoch, loss.item(), sum(accuracies) / len(accuracies))
