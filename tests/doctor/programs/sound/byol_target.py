import copy

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)
x = torch.randn(256, 8)
online = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 8))
predictor = nn.Linear(8, 8)
target = copy.deepcopy(online)
opt = torch.optim.Adam([*online.parameters(), *predictor.parameters()], lr=1e-3)
for epoch in range(8):
    for rows in torch.randperm(256).split(32):
        a, b = x[rows] + 0.1 * torch.randn(32, 8), x[rows] + 0.1 * torch.randn(32, 8)
        loss = -F.cosine_similarity(predictor(online(a)), target(b).detach()).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        with torch.no_grad():
            for p, q in zip(target.parameters(), online.parameters()):
                p.lerp_(q, 0.01)
