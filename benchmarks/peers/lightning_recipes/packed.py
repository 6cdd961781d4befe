"""Packed sequences."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_sequence
from torch.utils.data import DataLoader


class LastState(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(1, 16)
        self.head = nn.Linear(16, 1)
        self.losses = []

    def forward(self, packed):
        _, states = self.gru(packed)
        return self.head(states[-1])

    def training_step(self, batch, batch_idx):
        packed, y = batch
        loss = F.mse_loss(self(packed), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(y))
        return loss

    def validation_step(self, batch, batch_idx):
        packed, y = batch
        self.log("val_loss", F.mse_loss(self(packed), y), batch_size=len(y))

    def on_validation_epoch_end(self):
        self.losses.append(self.trainer.callback_metrics["val_loss"].item())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.02)


def collate(rows):
    sequences, targets = zip(*rows, strict=True)
    return pack_sequence(sequences, enforce_sorted=False), torch.stack(targets)


torch.manual_seed(0)
# Sequences of 2 to 9 numbers; the target is their sum.
sequences = [torch.randn(int(n), 1) for n in torch.randint(2, 10, (512,))]
rows = [(sequence, sequence.sum(dim=0)) for sequence in sequences]

model = LastState()
trainer = pl.Trainer(
    max_epochs=8,
    num_sanity_val_steps=0,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
train_loader = DataLoader(rows[:448], batch_size=32, shuffle=True, collate_fn=collate)
val_loader = DataLoader(rows[448:], batch_size=32, collate_fn=collate)
trainer.fit(model, train_loader, val_loader)
print(f"val_loss {model.losses[0]:.2f} -> {model.losses[-1]:.2f}")
