"""A character model: a recurrent network learns to write like ``text.txt``."""

import math
from pathlib import Path

import torch
from torch import Tensor, nn

import gradatim as gt

LENGTH = 64  # characters that the model sees in a row


class CharacterModel(nn.Module):
    """Scores for the next character, after each character of a sequence."""

    def __init__(self, num_characters: int, hidden: int = 128) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_characters, 32)
        self.gru = nn.GRU(32, hidden, batch_first=True)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(hidden, num_characters)

    def forward(self, ids: Tensor) -> Tensor:
        states, _ = self.gru(self.embedding(ids))
        logits = self.head(self.dropout(states))
        return logits.transpose(1, 2)  # (rows, characters, length): what the loss takes


def windows(ids: Tensor, *, stride: int) -> tuple[Tensor, Tensor]:
    """Cut a text into sequences and, one place further, what follows each character."""
    pieces = ids.unfold(0, LENGTH + 1, stride)
    return pieces[:, :-1], pieces[:, 1:]


def unigram_loss(train_ids: Tensor, test_ids: Tensor, num_characters: int) -> float:
    """Loss of a model that knows how frequent each character is, and nothing else."""
    counts = 1 + torch.bincount(train_ids, minlength=num_characters)
    return -(counts / counts.sum()).log()[test_ids].mean().item()


def sample(model: nn.Module, prompt: Tensor, length: int, *, seed: int) -> Tensor:
    """Go on after ``prompt``, one character at a time."""
    generator = torch.Generator().manual_seed(seed)
    ids = prompt
    model.eval()
    with torch.no_grad():
        for _ in range(length):
            logits = model(ids[None, -LENGTH:])[0, :, -1]
            probabilities = (logits / 0.7).softmax(dim=0)
            ids = torch.cat([ids, probabilities.multinomial(1, generator=generator)])
    return ids


def main(*, epochs: int = 15, stride: int = 8, seed: int = 0) -> dict[str, float]:
    """Train, print a sample, and return perplexities on the end of the text."""
    torch.manual_seed(seed)
    text = Path(__file__).with_name("text.txt").read_text(encoding="utf-8")
    characters = sorted(set(text))
    number_of = {character: number for number, character in enumerate(characters)}
    ids = torch.tensor([number_of[character] for character in text])

    # What comes later in the text is kept for validation and test.
    train_ids, val_ids, test_ids = gt.data.split(
        ids, fractions=(0.8, 0.1, 0.1), time=torch.arange(len(ids))
    )
    train = windows(train_ids, stride=stride)
    val, test = (windows(part, stride=LENGTH) for part in (val_ids, test_ids))

    model = CharacterModel(len(characters))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
    trainer = gt.Trainer(model, nn.CrossEntropyLoss(), optimizer, max_norm=1.0)
    trainer.fit(
        train,
        val,
        epochs=epochs,
        batch_size=32,
        seed=seed,
        callbacks=[gt.EarlyStopping("val_loss", patience=3)],
    )

    perplexity = math.exp(trainer.evaluate(test)["loss"])
    unigram = math.exp(unigram_loss(train_ids, test[1], len(characters)))
    written = sample(model, ids[:22], 200, seed=seed)
    print("".join(characters[number] for number in written.tolist()))
    print(f"\nperplexity on the end of the text  {perplexity:.2f}")
    print(f"of the frequencies alone           {unigram:.2f}")
    return {"perplexity": perplexity, "unigram": unigram}


if __name__ == "__main__":
    main()
