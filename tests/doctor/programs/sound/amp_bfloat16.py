import torch
from torch import nn

torch.manual_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"

x = torch.randn(800, 12, device=device)
y = torch.sin(x[:, :1]) + 0.5 * x[:, 1:2] * x[:, 2:3]

model = nn.Sequential(nn.Linear(12, 64), nn.SiLU(), nn.Linear(64, 1)).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
loss_fn = nn.SmoothL1Loss()

for epoch in range(6):
    for rows in torch.randperm(len(x)).split(80):
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device_type=device, dtype=torch.bfloat16):
            prediction = model(x[rows])
        loss = loss_fn(prediction.float(), y[rows])
        loss.backward()
        optimizer.step()
    print(epoch, f"{loss.item():.4f}")
