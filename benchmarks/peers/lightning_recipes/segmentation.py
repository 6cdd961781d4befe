"""Segmentation with torchmetrics."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset, random_split
from torchmetrics.classification import BinaryF1Score, BinaryJaccardIndex


class Segmentation(pl.LightningModule):
    def __init__(self, model):
        super().__init__()
        self.model = model
        self.iou = BinaryJaccardIndex()
        self.dice = BinaryF1Score()

    def training_step(self, batch, batch_idx):
        images, masks = batch
        loss = F.binary_cross_entropy_with_logits(self.model(images), masks)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        images, masks = batch
        logits = self.model(images)
        self.iou(logits, masks)
        self.dice(logits, masks)
        loss = F.binary_cross_entropy_with_logits(logits, masks)
        self.log_dict({"val_loss": loss, "val_iou": self.iou, "val_dice": self.dice})

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.01)


torch.manual_seed(0)
# 16 x 16 pictures of a disk in noise, and the mask of the disk.
axis = torch.arange(16.0)
centres, radii = torch.randint(4, 12, (256, 2, 1, 1)), torch.randint(2, 5, (256, 1, 1))
distances = (axis.view(1, 16, 1) - centres[:, 0]) ** 2 + (axis - centres[:, 1]) ** 2
masks = (distances <= radii**2).float().unsqueeze(1)
images = masks + 0.5 * torch.randn(masks.shape)
train, val = random_split(TensorDataset(images, masks), [0.75, 0.25])

model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(8, 8, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(8, 1, 1),
)
trainer = pl.Trainer(
    max_epochs=5,
    num_sanity_val_steps=0,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
train_loader = DataLoader(train, batch_size=16, shuffle=True)
trainer.fit(Segmentation(model), train_loader, DataLoader(val, batch_size=16))
metrics = trainer.callback_metrics
print(f"iou {metrics['val_iou']:.2f}, dice {metrics['val_dice']:.2f}")
