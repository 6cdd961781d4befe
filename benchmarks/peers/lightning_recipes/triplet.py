"""Triplet loss."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split


class Embedding(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = nn.Linear(16, 4)
        self.right = []

    def losses(self, batch):
        anchor, positive, negative = map(self.model, batch)
        near = F.pairwise_distance(anchor, positive)
        far = F.pairwise_distance(anchor, negative)
        loss = F.relu(near - far + 1.0).mean()
        return loss, (near < far).float().mean()

    def training_step(self, batch, batch_idx):
        loss, right = self.losses(batch)
        named = {"train_loss": loss, "train_right": right}
        self.log_dict(named, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        loss, right = self.losses(batch)
        self.log_dict({"val_loss": loss, "val_right": right})

    def on_validation_epoch_end(self):
        self.right.append(self.trainer.callback_metrics["val_right"].item())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)


torch.manual_seed(0)
# Three classes in 16 noisy dimensions, of which the first two tell.
centres = torch.cat([torch.eye(3, 2) * 2, torch.zeros(3, 14)], dim=1)
labels, others = torch.randint(3, (600,)), torch.randint(1, 3, (600,))
anchors, positives = (centres[labels] + torch.randn(600, 16) for _ in range(2))
negatives = centres[(labels + others) % 3] + torch.randn(600, 16)
rows = TensorDataset(anchors, positives, negatives)
train, val = random_split(rows, [0.8, 0.2])

model = Embedding()
trainer = pl.Trainer(
    max_epochs=8,
    num_sanity_val_steps=0,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
train_loader = DataLoader(train, batch_size=32, shuffle=True)
trainer.fit(model, train_loader, DataLoader(val, batch_size=32))
print(f"right pairs {model.right[0]:.2f} -> {model.right[-1]:.2f}")
