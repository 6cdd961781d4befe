"""A variational autoencoder with named parts."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader


class VAE(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
        self.decoder = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 8))
        self.rows = []

    def forward(self, x):
        mean, log_var = self.encoder(x).chunk(2, dim=1)
        code = mean + torch.randn_like(mean) * (log_var / 2).exp()
        return self.decoder(code), mean, log_var

    def losses(self, x):
        reconstructed, mean, log_var = self(x)
        recon = F.mse_loss(reconstructed, x, reduction="sum") / len(x)
        kl = -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum() / len(x)
        return {"loss": recon + 0.1 * kl, "recon": recon, "kl": kl}

    def training_step(self, x, batch_idx):
        losses = self.losses(x)
        named = {f"train_{name}": value for name, value in losses.items()}
        self.log_dict(named, on_step=False, on_epoch=True)
        return losses["loss"]

    def validation_step(self, x, batch_idx):
        named = {f"val_{name}": value for name, value in self.losses(x).items()}
        self.log_dict(named)

    def on_validation_epoch_end(self):
        self.rows.append(dict(self.trainer.callback_metrics))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.01)


torch.manual_seed(0)
angles = torch.rand(512, 1) * 6.283
x = torch.cat([angles.sin(), angles.cos()], dim=1) @ torch.randn(2, 8)

model = VAE()
trainer = pl.Trainer(
    max_epochs=10,
    num_sanity_val_steps=0,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
train_loader = DataLoader(x[:448], batch_size=32, shuffle=True)
trainer.fit(model, train_loader, DataLoader(x[448:], batch_size=32))
for name in ("val_loss", "val_recon", "val_kl"):
    print(f"{name:9} {model.rows[0][name]:5.2f} -> {model.rows[-1][name]:.2f}")
