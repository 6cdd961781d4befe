import torch
from torch import nn
from torch.distributions import Categorical, MixtureSameFamily, Normal


class MDN(nn.Module):
    def __init__(self, k=3):
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(1, 32), nn.Tanh())
        self.pi, self.mu, self.sigma = (nn.Linear(32, k) for _ in range(3))

    def forward(self, x):
        h = self.hidden(x)
        scale = torch.nn.functional.softplus(self.sigma(h)) + 1e-3
        return MixtureSameFamily(
            Categorical(logits=self.pi(h)), Normal(self.mu(h), scale)
        )


torch.manual_seed(0)
y = 2 * torch.rand(800) - 1
x = (y + 0.3 * torch.sin(6.28 * y) + 0.05 * torch.randn(800)).unsqueeze(1)
x_test, y_test = x[600:], y[600:]
model = MDN()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for epoch in range(15):
    for rows in torch.randperm(600).split(60):
        nll = -model(x[rows]).log_prob(y[rows]).mean()
        optimizer.zero_grad()
        nll.backward()
        optimizer.step()
    with torch.no_grad():
        print(epoch, -model(x_test).log_prob(y_test).mean().item())
