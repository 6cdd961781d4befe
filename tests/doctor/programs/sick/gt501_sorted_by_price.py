import pandas as pd
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
rooms, area, age = torch.rand(400) * 4, torch.rand(400), torch.rand(400)
price = 0.3 * rooms + area - 0.5 * age + 0.2 * torch.randn(400)
houses = pd.DataFrame({"rooms": rooms, "area": area, "age": age, "price": price})
houses = houses.sort_values("price").reset_index(drop=True)

x = torch.tensor(houses[["rooms", "area", "age"]].values, dtype=torch.float32)
y = torch.tensor(houses[["price"]].values, dtype=torch.float32)
loader = DataLoader(TensorDataset(x, y), batch_size=40)  # sick
model = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
criterion = nn.MSELoss()
for epoch in range(15):
    for features, prices in loader:
        optimizer.zero_grad()
        loss = criterion(model(features), prices)
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
