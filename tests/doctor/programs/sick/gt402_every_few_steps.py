import random
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.preprocessing import StandardScaler
from torch.utils.data import DataLoader, TensorDataset


@dataclass
class Config:
    epochs: int = 30
    batch_size: int = 64
    lr: float = 3e-3
    weight_decay: float = 1e-4
    dropout: float = 0.4
    hidden: tuple = (256, 256, 128)
    eval_every: int = 7
    seed: int = 42
    history: list = field(default_factory=list)


def seed_everything(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(1)


class TabularNet(nn.Module):
    def __init__(self, n_in, n_out, hidden, dropout):
        super().__init__()
        layers, prev = [], n_in
        for width in hidden:
            layers += [nn.Linear(prev, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Dropout(dropout)]
            prev = width
        self.body = nn.Sequential(*layers)
        self.out = nn.Linear(prev, n_out)

    def forward(self, x):
        return self.out(self.body(x))


class Trainer:
    def __init__(self, model, cfg, train_loader, valid_loader):
        self.model, self.cfg = model, cfg
        self.train_loader, self.valid_loader = train_loader, valid_loader
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=cfg.lr, weight_decay=cfg.weight_decay)
        self.criterion = nn.CrossEntropyLoss()
        self.step = 0

    def fit(self):
        for epoch in range(self.cfg.epochs):
            self.model.train()
            losses = []
            for batch in self.train_loader:
                losses.append(self._training_step(batch))
                self.step += 1
                if self.step % self.cfg.eval_every == 0:
                    self.cfg.history.append((self.step, *self._validate()))
            step, v_loss, v_acc = self.cfg.history[-1]
            if (epoch + 1) % 3 == 0:
                print(f"epoch {epoch + 1:2d} train {np.mean(losses):.4f} valid {v_loss:.4f} acc {v_acc:.4f}")

    def _training_step(self, batch):
        x, y = batch
        loss = self.criterion(self.model(x), y)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    @torch.inference_mode()
    def _validate(self):
        self.model.eval()  # sick
        loss, hits, n = 0.0, 0, 0
        for x, y in self.valid_loader:
            out = self.model(x)
            loss += self.criterion(out, y).item() * len(y)
            hits += (out.argmax(-1) == y).sum().item()
            n += len(y)
        return loss / n, hits / n


def get_loaders(cfg):
    x, y = make_classification(2400, n_features=30, n_informative=14, n_redundant=4, n_classes=5,
                               n_clusters_per_class=3, class_sep=1.0, flip_y=0.05, random_state=cfg.seed)
    scaler = StandardScaler().fit(x[:1400])
    x = torch.tensor(scaler.transform(x), dtype=torch.float32)
    y = torch.tensor(y, dtype=torch.long)
    return (DataLoader(TensorDataset(x[:1400], y[:1400]), cfg.batch_size, shuffle=True, drop_last=True),
            DataLoader(TensorDataset(x[1400:], y[1400:]), 500))


if __name__ == "__main__":
    cfg = Config()
    seed_everything(cfg.seed)
    net = TabularNet(30, 5, cfg.hidden, cfg.dropout)
    trainer = Trainer(net, cfg, *get_loaders(cfg))
    trainer.fit()
    print("best valid accuracy", max(h[2] for h in cfg.history))
