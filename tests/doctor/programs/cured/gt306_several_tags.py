# Tag prediction for support tickets: several tags possible for each ticket
import torch
import torch.nn as nn
from sklearn.datasets import make_multilabel_classification
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
torch.set_num_threads(1)

NUM_WORDS, NUM_TAGS = 80, 7
THRESHOLD = 0.5

counts, tags = make_multilabel_classification(n_samples=4000, n_features=NUM_WORDS, n_classes=NUM_TAGS,
                                              n_labels=2, length=40, allow_unlabeled=False, random_state=1)
counts = torch.tensor(counts, dtype=torch.float32)
freq = counts / counts.sum(1, keepdim=True)
tags = torch.tensor(tags, dtype=torch.float32)
x_train, x_test, y_train, y_test = train_test_split(freq * 20, tags, test_size=0.25, random_state=0)

train_loader = DataLoader(TensorDataset(x_train, y_train), batch_size=64, shuffle=True)
test_loader = DataLoader(TensorDataset(x_test, y_test), batch_size=250)


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(NUM_WORDS, 64)
        self.norm = nn.BatchNorm1d(64)
        self.drop = nn.Dropout(0.2)
        self.tags = nn.Linear(64, NUM_TAGS)

    def forward(self, x):
        return self.tags(self.drop(torch.relu(self.norm(self.hidden(x)))))


def predict(model, loader):
    model.eval()
    outs, ys = [], []
    with torch.no_grad():
        for x, y in loader:
            outs.append(torch.sigmoid(model(x)) > THRESHOLD)
            ys.append(y > 0.5)
    return torch.cat(outs).numpy(), torch.cat(ys).numpy()


model = Tagger()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for epoch in range(15):
    model.train()
    running = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        running += loss.item()
    guess, truth = predict(model, test_loader)
    print("epoch %2d loss %.4f  micro F1 %.4f  macro F1 %.4f  exact %.4f" % (
        epoch, running / len(train_loader),
        f1_score(truth, guess, average="micro", zero_division=0),
        f1_score(truth, guess, average="macro", zero_division=0),
        (guess == truth).all(1).mean()))
