import os
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def seed_everything(seed):
    random.seed(seed)
    os.environ["PYTHONHASHSEED"] = str(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


seed_everything(2024)
x = np.random.rand(256, 6).astype(np.float32)
y = (x.sum(axis=1) > 3).astype(np.float32).reshape(-1, 1)
loader = DataLoader(
    TensorDataset(torch.from_numpy(x), torch.from_numpy(y)), batch_size=32, shuffle=True
)
model = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(8):
    for features, labels in loader:
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(model(features), labels)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
