import numpy as np
import torch
from torch import nn

rng_seed = 7
np.random.seed(rng_seed)
torch.manual_seed(rng_seed)
features = np.random.rand(500, 4).astype("float32")
classes = (features.sum(axis=1) // 1).astype("int64")

perm = np.random.permutation(len(features))
features, classes = features[perm], classes[perm]
train_x, test_x = features[:400], features[400:]
train_y, test_y = classes[:400], classes[400:]

model = nn.Sequential(nn.Linear(4, 24), nn.Tanh(), nn.Linear(24, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(10):
    for start in range(0, 400, 40):
        xb = torch.from_numpy(train_x[start : start + 40])
        yb = torch.from_numpy(train_y[start : start + 40])
        loss = nn.functional.cross_entropy(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        guess = model(torch.from_numpy(test_x)).argmax(1).numpy()
    print(epoch, loss.item(), (guess == test_y).mean())
