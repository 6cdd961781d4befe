"""A GAN that can be stopped and goes on."""

from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader


class GAN(pl.LightningModule):
    def __init__(self, generator, critic):
        super().__init__()
        self.automatic_optimization = False
        self.generator = generator
        self.critic = critic

    def training_step(self, points, batch_idx):
        generator_optimizer, critic_optimizer = self.optimizers()
        ones, zeros = torch.ones(len(points), 1), torch.zeros(len(points), 1)

        generated = self.generator(torch.randn(len(points), 4)).detach()
        logits = self.critic(torch.cat([points, generated]))
        critic_loss = F.binary_cross_entropy_with_logits(
            logits, torch.cat([ones, zeros])
        )
        critic_optimizer.zero_grad()
        self.manual_backward(critic_loss)
        critic_optimizer.step()

        logits = self.critic(self.generator(torch.randn(len(points), 4)))
        generator_loss = F.binary_cross_entropy_with_logits(logits, ones)
        generator_optimizer.zero_grad()
        self.manual_backward(generator_loss)
        generator_optimizer.step()
        self.log_dict({"critic": critic_loss, "generator": generator_loss})

    def configure_optimizers(self):
        return [
            torch.optim.Adam(self.generator.parameters(), lr=0.003, betas=(0.5, 0.9)),
            torch.optim.Adam(self.critic.parameters(), lr=0.006, betas=(0.5, 0.9)),
        ]


torch.manual_seed(0)
tilt, centre = torch.tensor([[1.0, 0.6], [0.0, 0.5]]), torch.tensor([2, -1])
real = torch.randn(1024, 2) @ tilt + centre
generator = nn.Sequential(nn.Linear(4, 32), nn.LeakyReLU(0.2), nn.Linear(32, 2))
critic = nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Linear(32, 1))
checkpoints = pl.callbacks.ModelCheckpoint("runs/gan", save_last=True)
trainer = pl.Trainer(
    max_epochs=20,
    callbacks=[checkpoints],
    logger=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
last = Path("runs/gan/last.ckpt")
trainer.fit(
    GAN(generator, critic),
    DataLoader(real, batch_size=64, shuffle=True),
    ckpt_path=last if last.exists() else None,
)

with torch.no_grad():
    generated = generator(torch.randn(1024, 4))
print("real      mean", [round(x, 1) for x in real.mean(dim=0).tolist()])
print("generated mean", [round(x, 1) for x in generated.mean(dim=0).tolist()])
