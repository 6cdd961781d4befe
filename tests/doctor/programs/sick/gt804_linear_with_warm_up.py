import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, TensorDataset


def linear_schedule_with_warmup(optimizer, num_warmup_steps, num_training_steps):
    def lr_lambda(current_step):
        if current_step < num_warmup_steps:
            return current_step / max(1, num_warmup_steps)
        left = num_training_steps - current_step
        return max(0.0, left / max(1, num_training_steps - num_warmup_steps))

    return LambdaLR(optimizer, lr_lambda)


torch.manual_seed(0)
x = torch.randint(0, 50, (320, 12))
y = (x < 25).sum(1).ge(6).long()
loader = DataLoader(TensorDataset(x, y), batch_size=16, shuffle=True)
epochs = 8
model = nn.Sequential(nn.Embedding(50, 16), nn.Flatten(), nn.Linear(192, 2))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
total_steps = epochs * len(loader)
scheduler = linear_schedule_with_warmup(optimizer, total_steps // 10, total_steps)
for epoch in range(epochs):
    for tokens, labels in loader:
        loss = nn.functional.cross_entropy(model(tokens), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step()  # sick
    print(epoch, loss.item(), scheduler.get_last_lr())
