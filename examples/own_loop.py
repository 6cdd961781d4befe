"""A loop of one's own on ``make_train_step``, left in mid-epoch and gone on with."""

import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

import gradatim as gt


def make_houses(num_rows: int, *, seed: int) -> dict[str, Tensor]:
    """Prices that follow from area, age and district, with noise."""
    generator = torch.Generator().manual_seed(seed)
    numbers = torch.randn(num_rows, 2, generator=generator)
    district = torch.randint(5, (num_rows,), generator=generator)
    noise = 0.1 * torch.randn(num_rows, generator=generator)
    level = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0])[district]
    price = level + numbers[:, 0] * (1 + level) - 0.3 * numbers[:, 1] ** 2 + noise
    return {"numbers": numbers, "district": district, "price": price}


class HouseModel(nn.Module):
    """Two inputs of two kinds: numbers, and a category that is embedded."""

    def __init__(self) -> None:
        super().__init__()
        self.district = nn.Embedding(5, 4)
        self.layers = nn.Sequential(
            nn.Linear(2 + 4, 64), nn.ReLU(), nn.Dropout(0.05), nn.Linear(64, 1)
        )

    def forward(self, numbers: Tensor, district: Tensor) -> Tensor:
        return self.layers(torch.cat([numbers, self.district(district)], dim=1))


def forward(model: nn.Module, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    predictions = model(batch["numbers"], batch["district"])
    return predictions.squeeze(1), batch["price"]


def train(
    folder: Path,
    rows: dict[str, Tensor],
    *,
    epochs: int,
    seed: int,
    leave_after: int | None = None,
) -> HouseModel:
    """Train, from wherever the run in ``folder`` stands; leave after an update."""
    torch.manual_seed(seed)
    model = HouseModel()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    total_steps = epochs * -(-len(rows["price"]) // 64)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total_steps)
    train_step = gt.make_train_step(
        model,
        nn.MSELoss(),
        optimizer,
        forward=forward,
        num_microbatches=4,  # 16 rows at a time in memory, 64 in the update
        lr_scheduler=scheduler,
    )
    run = gt.Run(folder, every_steps=10)
    run.track(model=model, optimizer=optimizer, scheduler=scheduler)
    for batch in run.batches(rows, batch_size=64, epochs=epochs, seed=0):
        loss = train_step(batch)
        if run.epoch_ends:
            run.log(train_loss=loss)
        if run.step == leave_after:  # as if it was killed: this update is lost
            break
    return model


def main(*, epochs: int = 30, num_rows: int = 2000, seed: int = 0) -> dict[str, float]:
    """Train at a stretch and in two parts; return losses and whether bits are equal."""
    houses = make_houses(num_rows + 500, seed=seed)
    rows = {name: values[:num_rows] for name, values in houses.items()}
    val = {name: values[num_rows:] for name, values in houses.items()}
    leave_after = epochs * -(-num_rows // 64) // 2 + 5  # in the middle of an epoch
    with tempfile.TemporaryDirectory() as folder:
        whole = train(Path(folder, "whole"), rows, epochs=epochs, seed=seed)
        # The same lines start a run and go on with it. The second model begins with
        # other weights: all that it knows is from the run's last checkpoint.
        parts = Path(folder, "parts")
        train(parts, rows, epochs=epochs, seed=seed, leave_after=leave_after)
        resumed = train(parts, rows, epochs=epochs, seed=seed + 1)

    val_loss = gt.make_val_step(whole, nn.MSELoss(), forward=forward)(val)
    baseline = (val["price"] - rows["price"].mean()).square().mean()
    identical = torch.equal(
        nn.utils.parameters_to_vector(whole.parameters()),
        nn.utils.parameters_to_vector(resumed.parameters()),
    )
    print(f"val loss           {val_loss:.4f}")
    print(f"of the mean alone  {baseline:.4f}")
    print(f"left after update {leave_after}, gone on with from its last checkpoint:")
    print("the same weights, bit for bit" if identical else "OTHER WEIGHTS")
    scores = {"val_loss": val_loss.item(), "baseline": baseline.item()}
    return {**scores, "identical": identical}


if __name__ == "__main__":
    main()
