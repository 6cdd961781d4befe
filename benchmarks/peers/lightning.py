"""pytorch-lightning: no logger, checkpoints, bar, summary or sanity check."""

import logging
import warnings
from collections.abc import Callable

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from works import Work

logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", module="pytorch_lightning")


class Regression(pl.LightningModule):
    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work
        self.model = work.make_model()
        self.loss_fn = nn.MSELoss()

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        loss = self.loss_fn(self.model(x), y)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        x, y = batch
        self.log("val_loss", self.loss_fn(self.model(x), y))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return self.work.make_optimizer(self.model)


def prepare(work: Work) -> Callable[[], float]:
    module = Regression(work)
    train_loader = DataLoader(
        TensorDataset(*work.train), batch_size=work.batch_size, shuffle=True
    )
    val_loader = DataLoader(TensorDataset(*work.val), batch_size=work.batch_size)
    trainer = pl.Trainer(
        max_epochs=work.epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )

    def run() -> float:
        trainer.fit(module, train_loader, val_loader)
        return float(trainer.callback_metrics["val_loss"])

    return run
