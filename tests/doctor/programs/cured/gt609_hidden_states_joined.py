import torch
import torch.nn.functional as F
from torch import nn


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 10)
        self.gru = nn.GRU(10, 16, batch_first=True, bidirectional=True)
        self.out = nn.Linear(32, 3)

    def forward(self, tokens):
        _, hidden = self.gru(self.embedding(tokens))
        both = torch.cat([hidden[0], hidden[1]], dim=1)
        return self.out(both)


torch.manual_seed(1)
tokens = torch.randint(20, (400, 9))
classes = tokens[:, 0] % 3
net = Reader()
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for step in range(120):
    rows = torch.randint(400, (40,))
    loss = F.cross_entropy(net(tokens[rows]), classes[rows])
    opt.zero_grad()
    loss.backward()
    opt.step()
print(loss.item())
