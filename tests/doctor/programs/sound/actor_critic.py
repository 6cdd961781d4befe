import torch
from torch import nn
from torch.distributions import Normal

# Steer a point to the middle; one network has both heads.
torch.manual_seed(0)


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 32), nn.Tanh())
        self.mean = nn.Linear(32, 1)
        self.value = nn.Linear(32, 1)
        self.log_std = nn.Parameter(torch.full((1,), -0.5))

    def forward(self, s):
        h = self.body(s)
        return Normal(self.mean(h), self.log_std.exp()), self.value(h).squeeze(-1)


agent = ActorCritic()
optimizer = torch.optim.Adam(agent.parameters(), lr=1e-2)
for update in range(50):
    s = torch.randn(16, 2)
    log_probs, values, rewards, entropies = [], [], [], []
    for _ in range(6):
        dist, v = agent(s)
        a = dist.sample()
        log_probs.append(dist.log_prob(a).squeeze(-1))
        entropies.append(dist.entropy().mean())
        values.append(v)
        s = torch.stack(
            [s[:, 0] + 0.3 * s[:, 1], 0.9 * s[:, 1] + 0.3 * a.squeeze(-1)], 1
        )
        rewards.append(-s[:, 0].abs().clamp(max=3))
    returns, R = [], torch.zeros(16)
    for r in reversed(rewards):
        R = r + 0.9 * R
        returns.insert(0, R)
    returns, values = torch.stack(returns), torch.stack(values)
    advantage = (returns - values).detach()
    actor = -(torch.stack(log_probs) * advantage).mean()
    critic = nn.functional.smooth_l1_loss(values, returns)
    loss = actor + 0.5 * critic - 0.01 * torch.stack(entropies).mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
    optimizer.step()
    if update % 10 == 0:
        print(update, returns[0].mean().item(), critic.item())
