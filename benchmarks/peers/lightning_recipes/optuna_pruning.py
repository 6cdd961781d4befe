"""Optuna, with pruning."""

import optuna
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


class Report(pl.Callback):
    def __init__(self, trial):
        self.trial = trial

    def on_validation_end(self, trainer, module):
        loss = trainer.callback_metrics["val_loss"].item()
        self.trial.report(loss, step=trainer.current_epoch)
        if self.trial.should_prune():
            raise optuna.TrialPruned


x = torch.linspace(-1, 1, 64).unsqueeze(1)
rows = TensorDataset(x, (3 * x).sin())
train, val = random_split(rows, [0.75, 0.25], torch.Generator().manual_seed(0))


def objective(trial):
    torch.manual_seed(0)
    width = trial.suggest_int("width", 4, 64)
    model = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 1))
    lr = trial.suggest_float("lr", 1e-3, 0.3, log=True)
    trainer = pl.Trainer(
        max_epochs=20,
        callbacks=[Report(trial)],
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    train_loader = DataLoader(train, batch_size=8, shuffle=True)
    trainer.fit(Regression(model, lr), train_loader, DataLoader(val, batch_size=8))
    return trainer.callback_metrics["val_loss"].item()


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    sampler=optuna.samplers.TPESampler(seed=0),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
)
study.optimize(objective, n_trials=12)
pruned = study.get_trials(states=[optuna.trial.TrialState.PRUNED])
print(f"best val_loss {study.best_value:.4f}; {len(pruned)} of 12 trials pruned")
