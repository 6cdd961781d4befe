"""Cross-validation."""

import pytorch_lightning as pl
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


class Regression(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.model = nn.Linear(4, 1)

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = F.mse_loss(self.model(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def test_step(self, batch, batch_idx):
        x, y = batch
        self.log("loss", F.mse_loss(self.model(x), y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.1)


torch.manual_seed(0)
x = torch.randn(200, 4)
y = x @ torch.tensor([[1.0], [-2.0], [0.5], [0.0]]) + 0.1 * torch.randn(200, 1)

scores = []
for held_out in torch.randperm(200).chunk(5):
    kept = torch.ones(200, dtype=torch.bool)
    kept[held_out] = False
    model = Regression()
    trainer = pl.Trainer(
        max_epochs=20,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    train = TensorDataset(x[kept], y[kept])
    test = TensorDataset(x[held_out], y[held_out])
    trainer.fit(model, DataLoader(train, batch_size=32, shuffle=True))
    (score,) = trainer.test(model, DataLoader(test, batch_size=256), verbose=False)
    scores.append(score["loss"])

scores = torch.tensor(scores)
print(f"loss {scores.mean():.3f} +- {scores.std():.3f} over {len(scores)} folds")
