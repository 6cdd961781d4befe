"""Two communities of a graph, from two labelled nodes each (Kipf and Welling)."""

import math

import torch
import torch.nn.functional as F
from torch.nn.parameter import Parameter


class GraphConvolution(torch.nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super().__init__()
        self.weight = Parameter(torch.empty(in_features, out_features))
        if bias:
            self.bias = Parameter(torch.empty(out_features))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        stdv = 1.0 / math.sqrt(self.weight.size(1))
        self.weight.data.uniform_(-stdv, stdv)
        if self.bias is not None:
            self.bias.data.uniform_(-stdv, stdv)

    def forward(self, input, adj):
        output = torch.spmm(adj, torch.mm(input, self.weight))
        return output if self.bias is None else output + self.bias


class GCN(torch.nn.Module):
    def __init__(self, nfeat, nhid, nclass, dropout):
        super().__init__()
        self.gc1 = GraphConvolution(nfeat, nhid)
        self.gc2 = GraphConvolution(nhid, nclass)
        self.dropout = dropout

    def forward(self, x, adj):
        x = F.relu(self.gc1(x, adj))
        x = F.dropout(x, self.dropout, training=self.training)
        return F.log_softmax(self.gc2(x, adj), dim=1)


torch.manual_seed(42)
n = 60
labels = torch.arange(n) % 2
together = labels.unsqueeze(0) == labels.unsqueeze(1)
edges = torch.rand(n, n) < torch.where(together, 0.25, 0.03)
adj = ((edges | edges.t()) & ~torch.eye(n, dtype=torch.bool)).float() + torch.eye(n)
degree = adj.sum(dim=1)
adj = (adj / (degree.unsqueeze(0) * degree.unsqueeze(1)).sqrt()).to_sparse()
features = torch.randn(n, 12) + 0.5 * (labels.float() * 2 - 1).unsqueeze(1)
idx_train, idx_val = torch.arange(20), torch.arange(20, 60)

model = GCN(12, 16, 2, dropout=0.3)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
for epoch in range(60):
    model.train()
    optimizer.zero_grad()
    output = model(features, adj)
    loss_train = F.nll_loss(output[idx_train], labels[idx_train])
    loss_train.backward()
    optimizer.step()

    model.eval()
    with torch.no_grad():
        output = model(features, adj)
        loss_val = F.nll_loss(output[idx_val], labels[idx_val])
        acc = (output[idx_val].argmax(1) == labels[idx_val]).float().mean()
    if epoch % 20 == 0:
        print(f"{epoch} {loss_train.item():.4f} {loss_val.item():.4f} {acc:.2f}")
