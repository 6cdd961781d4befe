"""pytorch-lightning: stripped to its loop, and as it comes.

Stripped means no logger, checkpoints, bar, summary or sanity check.
"""

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Callable
from typing import Any

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
    """Make the trainer without what can be turned off."""
    return _prepare(
        work,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


def prepare_defaults(work: Work) -> Callable[[], float]:
    """Make the trainer that ``Trainer(max_epochs=...)`` gives, its screen unseen."""
    with contextlib.redirect_stderr(io.StringIO()):
        run = _prepare(work, default_root_dir=tempfile.mkdtemp())

    def run_unseen() -> float:
        quiet = io.StringIO()
        with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
            return run()

    return run_unseen


def _prepare(work: Work, **options: Any) -> Callable[[], float]:
    module = Regression(work)
    train_loader = DataLoader(
        TensorDataset(*work.train), batch_size=work.batch_size, shuffle=True
    )
    val_loader = DataLoader(TensorDataset(*work.val), batch_size=work.batch_size)
    trainer = pl.Trainer(max_epochs=work.epochs, accelerator="cpu", **options)

    def run() -> float:
        trainer.fit(module, train_loader, val_loader)
        return float(trainer.callback_metrics["val_loss"])

    return run
