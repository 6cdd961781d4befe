"""A language model by steps, on a stream without an end."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset


class Text(IterableDataset):
    """An endless text: each letter follows from the one before, but for one in ten."""

    def __init__(self, seed, length=None):
        self.seed, self.length = seed, length

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed)
        letter, count = 0, 0
        while self.length is None or count < self.length:
            jumps = torch.rand(33, generator=generator) < 0.1
            letters = torch.randint(26, (33,), generator=generator).tolist()
            for place, jumped in enumerate(jumps.tolist()):
                letter = letters[place] if jumped else (5 * letter + 3) % 26
                letters[place] = letter
            yield torch.tensor(letters[:-1]), torch.tensor(letters[1:])
            count += 1


class LanguageModel(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(26, 16)
        self.gru = nn.GRU(16, 32, batch_first=True)
        self.head = nn.Linear(32, 26)
        self.rows = []

    def forward(self, letters):
        states, _ = self.gru(self.embedding(letters))
        return self.head(states).transpose(1, 2)  # (rows, 26, places)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.cross_entropy(self(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_loss", F.cross_entropy(self(x), y))

    def on_validation_epoch_end(self):
        loss = self.trainer.callback_metrics["val_loss"].item()
        self.rows.append((self.current_epoch + 1, self.global_step, loss))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.01)


torch.manual_seed(0)
model = LanguageModel()
trainer = pl.Trainer(
    max_steps=120,
    val_check_interval=30,
    limit_train_batches=60,
    gradient_clip_val=1.0,
    num_sanity_val_steps=0,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
train_loader = DataLoader(Text(seed=0), batch_size=16)
val_loader = DataLoader(Text(seed=1, length=64), batch_size=16)
trainer.fit(model, train_loader, val_loader)
for epoch, steps, loss in model.rows:
    print(f"epoch {epoch}, {steps:3} updates, val_loss {loss:.2f}")
