import torch
from torch import nn
from torch.utils.data import DataLoader

torch.manual_seed(1)
images = torch.rand(320, 1, 8, 8)
labels = (images[:, 0, :4].mean((1, 2)) > images[:, 0, 4:].mean((1, 2))).float()

image_loader = DataLoader(images, batch_size=32, shuffle=True)
label_loader = DataLoader(labels, batch_size=32, shuffle=True)

model = nn.Sequential(
    nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 1), nn.Flatten(0)
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.BCEWithLogitsLoss()
for epoch in range(8):
    for image, label in zip(image_loader, label_loader, strict=True):  # sick
        loss = criterion(model(image), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
