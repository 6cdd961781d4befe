"""Small-sample regression with early stopping."""
import copy
import torch
import torch.nn as nn
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(21)
torch.set_num_threads(1)


class EarlyStopping:
    def __init__(self, patience=40):
        self.patience = patience
        self.best = float("inf")
        self.state = None
        self.bad_epochs = 0

    def update(self, value, model):
        if value < self.best - 1e-5:
            self.best = value
            self.state = copy.deepcopy(model.state_dict())
            self.bad_epochs = 0
        else:
            self.bad_epochs += 1
        return self.bad_epochs >= self.patience


def rmse(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x) - y).pow(2).mean().sqrt().item()


data = load_diabetes()
x_tr, x_te, y_tr, y_te = train_test_split(data.data, data.target, test_size=0.25, random_state=1)
x_tr, x_va, y_tr, y_va = train_test_split(x_tr, y_tr, test_size=0.25, random_state=1)
mu, sd = x_tr.mean(0), x_tr.std(0)
y_mu, y_sd = y_tr.mean(), y_tr.std()


def prepare(x, y):
    x = torch.tensor((x - mu) / sd, dtype=torch.float32)
    y = torch.tensor((y - y_mu) / y_sd, dtype=torch.float32).unsqueeze(1)
    return x, y


x_tr, y_tr = prepare(x_tr, y_tr)
x_va, y_va = prepare(x_va, y_va)
x_te, y_te = prepare(x_te, y_te)
loader = DataLoader(TensorDataset(x_tr, y_tr), batch_size=32, shuffle=True)

model = nn.Sequential(
    nn.Linear(10, 64), nn.ReLU(),
    nn.Linear(64, 64), nn.ReLU(),
    nn.Linear(64, 1),
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.MSELoss()
stopper = EarlyStopping()

for epoch in range(300):
    model.train()
    total = 0.0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
    valid = rmse(model, x_va, y_va)
    if epoch % 5 == 0:
        print(f"epoch {epoch:3d}  train mse {total / len(x_tr):.4f}  valid rmse {valid:.4f}")
    if stopper.update(valid, model):
        print(f"stopping at epoch {epoch}, best valid rmse {stopper.best:.4f}")
        break

model.load_state_dict(stopper.state)
print(f"restored model: valid rmse {rmse(model, x_va, y_va):.4f}  test rmse {rmse(model, x_te, y_te):.4f}")
