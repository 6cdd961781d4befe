"""Greedy pre-training: each layer is an autoencoder of what the one before gives."""

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(256, 4) @ torch.randn(4, 16)
encoders = [nn.Linear(16, 8), nn.Linear(8, 4)]
decoders = [nn.Linear(8, 16), nn.Linear(4, 8)]
for depth in range(2):
    encoder, decoder = encoders[depth], decoders[depth]
    optimizer = torch.optim.Adam(
        [*encoder.parameters(), *decoder.parameters()], lr=1e-2
    )
    for epoch in range(20):
        for batch in x[torch.randperm(256)].split(32):
            h = batch
            for before in encoders[:depth]:
                h = before(h).relu().detach()
            loss = ((decoder(encoder(h).relu()) - h) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    print(depth, loss.item())
