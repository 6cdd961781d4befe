"""Two shuffled loaders zipped, of unpaired domains: labels come with the first."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
source = torch.randn(256, 6)
label = (source[:, 0] > 0).long()
target = torch.randn(256, 6) + 0.5
labelled = DataLoader(TensorDataset(source, label), batch_size=32, shuffle=True)
other = DataLoader(TensorDataset(target), batch_size=32, shuffle=True)
features = nn.Sequential(nn.Linear(6, 32), nn.ReLU())
classify, domain = nn.Linear(32, 2), nn.Linear(32, 1)
optimizer = torch.optim.Adam([*features.parameters(), *classify.parameters()], lr=5e-3)
critic = torch.optim.Adam(domain.parameters(), lr=5e-3)
for epoch in range(8):
    for (xs, ys), (xt,) in zip(labelled, other, strict=True):
        both = features(torch.cat([xs, xt])).detach()
        where = torch.cat([torch.zeros(32, 1), torch.ones(32, 1)])
        critic.zero_grad()
        F.binary_cross_entropy_with_logits(domain(both), where).backward()
        critic.step()
        hidden = features(xs)
        fooled = F.binary_cross_entropy_with_logits(
            domain(features(xt)), torch.zeros(32, 1)
        )
        loss = F.cross_entropy(classify(hidden), ys) + 0.1 * fooled
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
