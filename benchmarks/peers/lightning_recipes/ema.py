"""Averages of the weights."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split


class Regression(pl.LightningModule):
    def __init__(self, model, lr):
        super().__init__()
        self.model = model
        self.lr = lr

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.mse_loss(self.model(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_loss", F.mse_loss(self.model(x), y))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


torch.manual_seed(0)
x = torch.rand(512, 8)
y = (x @ torch.randn(8, 1)).sin() + 0.3 * torch.randn(512, 1)
train, val = random_split(TensorDataset(x, y), [0.75, 0.25])


def val_loss(*callbacks):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
    trainer = pl.Trainer(
        max_epochs=20,
        callbacks=list(callbacks),
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    train_loader = DataLoader(train, batch_size=8, shuffle=True)
    trainer.fit(Regression(model, 0.2), train_loader, DataLoader(val, batch_size=8))
    return trainer.callback_metrics["val_loss"].item()


plain = val_loss()
averaged = val_loss(pl.callbacks.EMAWeightAveraging(decay=0.98))
print(f"val_loss {plain:.3f}, of the averages {averaged:.3f}")
