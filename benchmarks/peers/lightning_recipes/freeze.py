"""Freeze, then unfreeze."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class Classifier(pl.LightningModule):
    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone
        self.head = nn.Linear(32, 3)
        self.losses, self.rates = [], []

    def forward(self, x):
        return self.head(self.backbone(x))

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self):
        return torch.optim.AdamW(self.head.parameters(), lr=0.01)


class Unfreeze(pl.callbacks.BaseFinetuning):
    def freeze_before_training(self, module):
        self.freeze(module.backbone)

    def finetune_function(self, module, epoch, optimizer):
        if epoch == 5:
            self.unfreeze_and_add_param_group(module.backbone, optimizer, lr=0.003)


class Values(pl.Callback):
    def on_train_epoch_end(self, trainer, module):
        module.losses.append(trainer.callback_metrics["train_loss"].item())
        groups = trainer.optimizers[0].param_groups
        module.rates.append([group["lr"] for group in groups])


torch.manual_seed(0)
x = torch.randn(400, 8)
y = (x[:, :3] ** 2).argmax(dim=1)
backbone = nn.Sequential(nn.Linear(8, 32), nn.ReLU())

model = Classifier(backbone)
trainer = pl.Trainer(
    max_epochs=10,
    callbacks=[Unfreeze(), Values()],
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
trainer.fit(model, DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True))
print("rates", model.rates[4], model.rates[5])
print(f"loss {model.losses[4]:.2f} frozen, {model.losses[-1]:.2f} after")
