"""ignite: its supervised trainer and evaluator, validation as an event handler."""

from collections.abc import Callable

from ignite.engine import (
    Events,
    create_supervised_evaluator,
    create_supervised_trainer,
)
from ignite.metrics import Average, Loss
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from works import Work


def prepare(work: Work) -> Callable[[], float]:
    model = work.make_model()
    loss_fn = nn.MSELoss()
    train_loader = DataLoader(
        TensorDataset(*work.train), batch_size=work.batch_size, shuffle=True
    )
    val_loader = DataLoader(TensorDataset(*work.val), batch_size=work.batch_size)
    trainer = create_supervised_trainer(model, work.make_optimizer(model), loss_fn)
    Average().attach(trainer, "train_loss")
    evaluator = create_supervised_evaluator(model, metrics={"val_loss": Loss(loss_fn)})

    @trainer.on(Events.EPOCH_COMPLETED)
    def validate() -> None:
        evaluator.run(val_loader)

    def run() -> float:
        trainer.run(train_loader, max_epochs=work.epochs)
        return evaluator.state.metrics["val_loss"]

    return run
