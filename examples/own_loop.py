"""A loop of one's own on ``make_train_step``, left in mid-epoch and gone on with."""

import copy
import itertools
from typing import Any

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


def make_step(*, total_steps: int, seed: int) -> gt.TrainStep:
    torch.manual_seed(seed)
    model = HouseModel()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    return gt.make_train_step(
        model,
        nn.MSELoss(),
        optimizer,
        forward=forward,
        num_microbatches=4,  # 16 rows at a time in memory, 64 in the update
        lr_scheduler=torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total_steps),
    )


def train(
    train_step: gt.TrainStep, batches: gt.data.Batches, *, stop: int, save_at: int = -1
) -> dict[str, Any]:
    """Train up to update ``stop``; return what was there after update ``save_at``."""
    saved = {}
    while train_step.num_steps < stop:
        # The order is a function of seed and epoch: the place is known from the count.
        epoch, done = divmod(train_step.num_steps, len(batches))
        for batch in itertools.islice(batches.epoch(epoch), done, None):
            train_step(batch)
            if train_step.num_steps == save_at:
                # A copy, as the tensors go on changing. Dropout draws from torch's
                # generator, which belongs to the program and not to the step.
                saved = {
                    "step": copy.deepcopy(train_step.state_dict()),
                    "random": torch.get_rng_state(),
                }
    return saved


def main(*, epochs: int = 30, num_rows: int = 2000, seed: int = 0) -> dict[str, float]:
    """Train at a stretch and in two parts; return losses and whether bits are equal."""
    houses = make_houses(num_rows + 500, seed=seed)
    rows = {name: values[:num_rows] for name, values in houses.items()}
    val = {name: values[num_rows:] for name, values in houses.items()}
    batches = gt.data.Batches(rows, batch_size=64, seed=seed)
    stop = epochs * len(batches)

    # At a stretch, with a look at everything in the middle of an epoch.
    train_step = make_step(total_steps=stop, seed=seed)
    saved = train(train_step, batches, stop=stop, save_at=stop // 2 + 5)

    # Another model, other first weights: all that it knows comes from what was saved.
    resumed = make_step(total_steps=stop, seed=seed + 1)
    resumed.load_state_dict(saved["step"])
    torch.set_rng_state(saved["random"])
    train(resumed, batches, stop=stop)

    val_loss = gt.make_val_step(train_step.model, nn.MSELoss(), forward=forward)(val)
    baseline = (val["price"] - rows["price"].mean()).square().mean()
    identical = torch.equal(
        nn.utils.parameters_to_vector(train_step.model.parameters()),
        nn.utils.parameters_to_vector(resumed.model.parameters()),
    )
    print(f"val loss           {val_loss:.4f}")
    print(f"of the mean alone  {baseline:.4f}")
    print(f"left after update {saved['step']['num_steps']} of {stop} and gone on with:")
    print("the same weights, bit for bit" if identical else "OTHER WEIGHTS")
    scores = {"val_loss": val_loss.item(), "baseline": baseline.item()}
    return {**scores, "identical": identical}


if __name__ == "__main__":
    main()
