"""Handwritten digits: a small convolutional network, augmented by loader workers."""

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset

import gradatim as gt


class ShiftedDigits(Dataset):
    """Digits that move by up to a pixel, another way each time they are read.

    The shift is drawn from torch's generator. In a worker that is a generator of its
    own, seeded from the seed and the epoch of ``gt.data.Batches``: two workers do not
    draw the same shifts, and the run can be repeated.
    """

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images = F.pad(images, (1, 1, 1, 1))  # a margin to move in
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        down, right = torch.randint(3, (2,)).tolist()
        image = self.images[index, :, down : down + 8, right : right + 8]
        return image, self.labels[index]


def make_model() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),  # 16 x 8 x 8
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),  # 32 x 4 x 4
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(32 * 4 * 4, 10),
    )


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    return (logits.argmax(dim=1) == labels).float().mean()


def main(*, epochs: int = 20, num_workers: int = 2, seed: int = 0) -> dict[str, float]:
    """Train, and return the scores on the test rows."""
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
    labels = torch.tensor(digits.target)

    # Cut first and augment then: the scores are of digits as they were written.
    train, val, test = gt.data.split(
        images, labels, fractions=(0.7, 0.15, 0.15), stratify=labels, seed=seed
    )
    batches = gt.data.Batches(
        ShiftedDigits(*train), batch_size=64, num_workers=num_workers, seed=seed
    )

    model = make_model()
    optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.01)
    one_cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=0.01, total_steps=epochs * len(batches)
    )
    early_stopping = gt.EarlyStopping("val_loss", patience=8)

    trainer = gt.Trainer(
        model, nn.CrossEntropyLoss(), optimizer, metrics={"accuracy": accuracy}
    )
    history = trainer.fit(
        batches,
        val,
        epochs=epochs,
        callbacks=[gt.LRScheduler(one_cycle, per="step"), early_stopping],
    )

    scores = trainer.evaluate(test)
    print(f"epochs         {history.num_epochs}, best {early_stopping.best_epoch}")
    print(f"test loss      {scores['loss']:.4f}")
    print(f"test accuracy  {scores['accuracy']:.4f} of {len(test[1])} digits")
    return scores


if __name__ == "__main__":
    main()
