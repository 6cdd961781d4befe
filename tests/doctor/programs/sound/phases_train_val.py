"""One loop for two phases, as in PyTorch's transfer learning tutorial."""

import copy

import torch
from torch import nn, optim
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(240, 3, 8, 8)
y = (x[:, 0].mean(dim=(1, 2)) > x[:, 1].mean(dim=(1, 2))).long()
loaders = {
    "train": DataLoader(TensorDataset(x[:180], y[:180]), batch_size=30, shuffle=True),
    "val": DataLoader(TensorDataset(x[180:], y[180:]), batch_size=30),
}
model = nn.Sequential(
    nn.Conv2d(3, 8, 3, padding=1),
    nn.BatchNorm2d(8),
    nn.ReLU(),
    nn.AdaptiveAvgPool2d(2),
    nn.Flatten(),
    nn.Dropout(0.1),
    nn.Linear(32, 2),
)
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
scheduler = lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.1)
best_acc, best_weights = 0.0, copy.deepcopy(model.state_dict())
for epoch in range(6):
    for phase in ["train", "val"]:
        if phase == "train":
            model.train()
        else:
            model.eval()
        corrects = 0
        for inputs, labels in loaders[phase]:
            optimizer.zero_grad()
            with torch.set_grad_enabled(phase == "train"):
                outputs = model(inputs)
                loss = criterion(outputs, labels)
                if phase == "train":
                    loss.backward()
                    optimizer.step()
            corrects += (outputs.argmax(1) == labels).sum().item()
        if phase == "train":
            scheduler.step()
        acc = corrects / len(loaders[phase].dataset)
        if phase == "val" and acc > best_acc:
            best_acc, best_weights = acc, copy.deepcopy(model.state_dict())
model.load_state_dict(best_weights)
