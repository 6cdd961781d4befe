import torch
import torch.nn as nn
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(100)
torch.set_num_threads(1)
hparams = {"hidden": 32, "depth": 9, "lr": 1e-3, "epochs": 30, "batch_size": 16, "folds": 3}


class FeedForward(nn.Module):
    """depth hidden layers of equal width."""

    def __init__(self, n_in, n_hidden, n_out, depth):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(n_in, n_hidden)])
        self.layers.extend(nn.Linear(n_hidden, n_hidden) for _ in range(depth - 1))
        self.output = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.output(x)


def fit(model, loader, epochs, lr):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
        if (epoch + 1) % 10 == 0:
            print(f"    epoch {epoch + 1:3d} loss {total / len(loader.dataset):.4f}")


@torch.no_grad()
def score(model, x, y):
    model.eval()
    return (model(x).argmax(1) == y).float().mean().item()


x_all, y_all = load_wine(return_X_y=True)
folds = StratifiedKFold(hparams["folds"], shuffle=True, random_state=0)
results = []
for k, (train_idx, test_idx) in enumerate(folds.split(x_all, y_all)):
    scaler = StandardScaler().fit(x_all[train_idx])
    x_train = torch.tensor(scaler.transform(x_all[train_idx]), dtype=torch.float32)
    x_test = torch.tensor(scaler.transform(x_all[test_idx]), dtype=torch.float32)
    y_train, y_test = torch.tensor(y_all[train_idx]), torch.tensor(y_all[test_idx])
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=hparams["batch_size"], shuffle=True)
    model = FeedForward(13, hparams["hidden"], 3, hparams["depth"])
    print(f"fold {k}")
    fit(model, loader, hparams["epochs"], hparams["lr"])
    results.append(score(model, x_test, y_test))
    print(f"    accuracy {results[-1]:.3f}")
print(f"mean accuracy {sum(results) / len(results):.3f}")
