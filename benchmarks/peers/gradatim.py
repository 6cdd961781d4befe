"""gradatim with everything on: history, and progress as it is in a log."""

import contextlib
import os
from collections.abc import Callable

from torch import nn

import gradatim as gt
from works import Work


def prepare(work: Work) -> Callable[[], float]:
    model = work.make_model()
    trainer = gt.Trainer(model, nn.MSELoss(), work.make_optimizer(model))

    def run() -> float:
        with open(os.devnull, "w") as log, contextlib.redirect_stderr(log):
            history = trainer.fit(
                work.train, work.val, epochs=work.epochs, batch_size=work.batch_size
            )
        return history["val_loss"][-1]

    return run
