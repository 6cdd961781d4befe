import argparse
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset, random_split
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=15)
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--seed", type=int, default=1)
args = parser.parse_args()
torch.manual_seed(args.seed)
torch.set_num_threads(1)


def conv_block(c_in, c_out):
    return nn.Sequential(
        nn.Conv2d(c_in, c_out, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )


def dense_head(n_in, n_hidden, n_out, p=0.25):
    act = {True: nn.Sigmoid(), False: nn.Softmax(dim=1)}
    layers = [nn.Flatten(), nn.Linear(n_in, n_hidden), nn.ReLU(), nn.Dropout(p), nn.Linear(n_hidden, n_out)]
    layers.append(act[n_out == 1])
    return nn.Sequential(*layers)


class DigitNet(nn.Module):
    def __init__(self, width=16, n_classes=10):
        super().__init__()
        self.features = nn.Sequential(conv_block(1, width), conv_block(width, 2 * width))
        self.head = dense_head(2 * width * 4, 64, n_classes)

    def forward(self, x):
        return self.head(self.features(x))


def train(model, loader, optimizer, criterion):
    model.train()
    running = 0.0
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)  # sick
        loss.backward()
        optimizer.step()
        running += loss.item()
    return running / len(loader)


def evaluate(model, loader, criterion):
    model.eval()
    loss, correct, n = 0.0, 0, 0
    with torch.no_grad():
        for images, labels in loader:
            out = model(images)
            loss += criterion(out, labels).item() * len(labels)
            correct += (out.argmax(dim=1) == labels).sum().item()
            n += len(labels)
    return loss / n, correct / n


data = load_digits()
images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1)
images = (images - 4.88) / 6.02
labels = torch.tensor(data.target, dtype=torch.long)
train_set, test_set = random_split(TensorDataset(images, labels), [1400, len(labels) - 1400],
                                   generator=torch.Generator().manual_seed(args.seed))
train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True)
test_loader = DataLoader(test_set, batch_size=256)

model = DigitNet()
criterion = nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=args.lr)

for epoch in range(1, args.epochs + 1):
    tr = train(model, train_loader, optimizer, criterion)
    te, acc = evaluate(model, test_loader, criterion)
    print(f"Epoch {epoch:02d} | train loss {tr:.4f} | test loss {te:.4f} | test acc {100 * acc:.2f}%")
