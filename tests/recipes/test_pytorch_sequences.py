"""Five more programs of PyTorch's own examples, in their loops and in ours.

Polynomials, texts, series and a graph. Each loop has the structure of
https://github.com/pytorch/examples, on small data.
"""

import copy
import itertools

import torch
from torch import nn
from torch.nn import functional as F

import gradatim as gt
from tests.recipes.by_hand import Losses, assert_same

# --- regression -----------------------------------------------------------------------


def polynomial(batch_size=32):
    """Draw points, and the values of a polynomial there."""
    x = torch.randn(batch_size).unsqueeze(1)
    return torch.cat([x**i for i in (1, 2)], 1), 2 * x - x**2 + 0.5


def regression_by_hand():
    fc, losses = nn.Linear(2, 1), []
    for _ in itertools.count(1):
        batch_x, batch_y = polynomial()
        fc.zero_grad()
        output = F.smooth_l1_loss(fc(batch_x), batch_y)
        losses.append(output.item())
        output.backward()
        for param in fc.parameters():
            # The example multiplies by -0.1 first, which rounds otherwise than SGD.
            param.data.add_(param.grad, alpha=-0.1)
        if losses[-1] < 0.02:
            break
    return fc.state_dict(), {"losses": losses, "means": {}}


class Endless:
    """Batches that are drawn as long as somebody asks."""

    def __iter__(self):
        while True:
            yield polynomial()


class UntilSmall(gt.Callback):
    def on_step_end(self, trainer, loss):
        if loss < 0.02:
            trainer.stop("the loss is small")


def regression():
    fc, losses = nn.Linear(2, 1), Losses()
    optimizer = torch.optim.SGD(fc.parameters(), lr=0.1)
    trainer = gt.Trainer(fc, nn.SmoothL1Loss(), optimizer)
    callbacks = [losses, UntilSmall()]
    trainer.fit(Endless(), max_steps=10_000, callbacks=callbacks, progress=False)
    return fc.state_dict(), {"losses": losses.values, "means": {}}


def test_regression():
    assert_same(regression_by_hand, regression)


# --- word_language_model --------------------------------------------------------------

WORDS, BPTT = 11, 5


class LanguageModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(WORDS, 8)
        self.dropout = nn.Dropout(0.2)
        self.lstm = nn.LSTM(8, 8)
        self.decoder = nn.Linear(8, WORDS)

    def forward(self, ids, hidden):
        output, hidden = self.lstm(self.dropout(self.embedding(ids)), hidden)
        decoded = self.decoder(self.dropout(output)).view(-1, WORDS)
        return F.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, rows):
        return torch.zeros(1, rows, 8), torch.zeros(1, rows, 8)


def text(length, columns, seed):
    """Words that count, with some drawn at random, in columns as the example has them.

    Returns:
        Pairs of inputs ``(time, columns)`` and of the words that follow, flat.
    """
    generator = torch.Generator().manual_seed(seed)
    words = torch.arange(length * columns) % WORDS
    at_random = torch.rand(len(words), generator=generator) < 0.3
    drawn = torch.randint(WORDS, (len(words),), generator=generator)
    source = torch.where(at_random, drawn, words).view(columns, length).t().contiguous()
    return [
        (source[i : i + BPTT][: length - 1 - i], source[i + 1 : i + 1 + BPTT].view(-1))
        for i in range(0, length - 1, BPTT)
    ]


def word_language_model_by_hand():
    model, criterion = LanguageModel(), nn.NLLLoss()
    train, val = text(33, 4, seed=0), text(18, 3, seed=1)
    lr, best_val_loss, losses, val_losses, rates = 20.0, None, [], [], []
    for _ in range(6):
        model.train()
        hidden = model.init_hidden(4)
        for data, targets in train:
            model.zero_grad()
            hidden = tuple(state.detach() for state in hidden)
            output, hidden = model(data, hidden)
            loss = criterion(output, targets)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 0.25)
            for p in model.parameters():
                p.data.add_(p.grad, alpha=-lr)
            losses.append(loss.item())
        model.eval()
        total_loss, hidden = 0.0, model.init_hidden(3)
        with torch.no_grad():
            for data, targets in val:
                output, hidden = model(data, hidden)
                total_loss += len(data) * criterion(output, targets).item()
        val_losses.append(total_loss / 17)
        rates.append(lr)
        if not best_val_loss or val_losses[-1] < best_val_loss:
            best_val_loss = val_losses[-1]
        else:
            lr /= 4.0
    numbers = {"losses": losses, "rates": rates, "means": {"val_loss": val_losses}}
    return model.state_dict(), numbers


class Hidden(gt.Callback):
    """Begin each pass over a text with the first state."""

    def __init__(self):
        self.state = None

    def on_epoch_begin(self, trainer):
        self.state = trainer.model.init_hidden(4)

    def on_validation_begin(self, trainer):
        self.state = trainer.model.init_hidden(3)

    def forward(self, model, batch):
        data, targets = batch
        output, hidden = model(data, self.state)
        self.state = tuple(state.detach() for state in hidden)
        return output, targets


def word_language_model():
    model, losses, hidden = LanguageModel(), Losses(), Hidden()
    optimizer = torch.optim.SGD(model.parameters(), lr=20.0)
    on_plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.25, patience=0, threshold=0
    )
    trainer = gt.Trainer(
        model, nn.NLLLoss(), optimizer, forward=hidden.forward, max_norm=0.25
    )
    history = trainer.fit(
        text(33, 4, seed=0),
        text(18, 3, seed=1),
        epochs=6,
        callbacks=[losses, hidden, gt.LRScheduler(on_plateau)],
        progress=False,
    )
    means = {"val_loss": history["val_loss"]}
    numbers = {"losses": losses.values, "rates": history["lr"], "means": means}
    return model.state_dict(), numbers


def test_word_language_model():
    assert_same(word_language_model_by_hand, word_language_model)
    _, numbers = word_language_model()
    assert numbers["rates"][-1] < numbers["rates"][0], "the rate is never cut here"


# --- time_sequence_prediction ---------------------------------------------------------


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm1, self.lstm2 = nn.LSTMCell(1, 6), nn.LSTMCell(6, 6)
        self.linear = nn.Linear(6, 1)

    def forward(self, series, future=0):
        outputs = []
        first = second = (torch.zeros(len(series), 6, dtype=torch.double),) * 2
        steps = series.split(1, dim=1)
        for place in range(len(steps) + future):
            value = steps[place] if place < len(steps) else outputs[-1]
            first = self.lstm1(value, first)
            second = self.lstm2(first[0], second)
            outputs.append(self.linear(second[0]))
        return torch.cat(outputs, dim=1)


WAVES = torch.sin(torch.arange(12, dtype=torch.double) / 2 + torch.arange(8).view(8, 1))


def time_sequence_by_hand():
    model, criterion = Sequence().double(), nn.MSELoss()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.8, max_iter=5)
    losses, test_losses = [], []
    for _ in range(3):
        evaluations = []

        def closure(evaluations=evaluations):
            optimizer.zero_grad()
            loss = criterion(model(WAVES[3:, :-1]), WAVES[3:, 1:])
            evaluations.append(loss.item())
            loss.backward()
            return loss

        optimizer.step(closure)
        losses.append(evaluations[0])
        with torch.no_grad():
            future = model(WAVES[:3, :-1], future=4)
            test_losses.append(criterion(future[:, :-4], WAVES[:3, 1:]).item())
    numbers = {"losses": losses, "means": {"test_loss": test_losses}}
    return [model.state_dict(), future], numbers


def time_sequence():
    model, losses = Sequence().double(), Losses()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.8, max_iter=5)
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer)
    history = trainer.fit(
        (WAVES[3:, :-1], WAVES[3:, 1:]),
        (WAVES[:3, :-1], WAVES[:3, 1:]),
        epochs=3,
        shuffle=False,
        callbacks=[losses],
        progress=False,
    )
    with torch.no_grad():
        future = model(WAVES[:3, :-1], future=4)
    numbers = {"losses": losses.values, "means": {"test_loss": history["val_loss"]}}
    return [model.state_dict(), future], numbers


def test_time_sequence_prediction():
    assert_same(time_sequence_by_hand, time_sequence)


# --- gcn ------------------------------------------------------------------------------


class GCN(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 8, bias=False), nn.Linear(8, 3)
        self.dropout = nn.Dropout(0.5)

    def forward(self, features, adjacency):
        hidden = F.relu(adjacency @ self.first(features))
        return F.log_softmax(adjacency @ self.second(self.dropout(hidden)), dim=1)


def citations():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (40,), generator=generator)
    features = torch.rand(40, 6, generator=generator) + F.one_hot(labels, 6)
    is_linked = torch.rand(40, 40, generator=generator) < 0.1
    adjacency = (torch.eye(40) + is_linked).to_sparse()
    rows = torch.randperm(40, generator=generator)
    return features, adjacency, labels, rows[:10], rows[10:]


def accuracy(output, target):
    return (output.argmax(dim=1) == target).float().mean()


def gcn_by_hand():
    model, criterion = GCN(), nn.NLLLoss()
    features, adjacency, labels, idx_val, idx_train = citations()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    losses, val_losses, accuracies = [], [], []
    for _ in range(8):
        model.train()
        optimizer.zero_grad()
        output = model(features, adjacency)
        loss = criterion(output[idx_train], labels[idx_train])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            output = model(features, adjacency)[idx_val]
            val_losses.append(criterion(output, labels[idx_val]).item())
            accuracies.append(accuracy(output, labels[idx_val]).item())
    numbers = {"losses": losses, "accuracies": accuracies}
    return model.state_dict(), {**numbers, "means": {"val_loss": val_losses}}


def gcn():
    model, losses = GCN(), Losses()
    features, adjacency, labels, idx_val, idx_train = citations()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=5e-4)
    trainer = gt.Trainer(
        model,
        nn.NLLLoss(),
        optimizer,
        forward=lambda model, idx: (model(features, adjacency)[idx], labels[idx]),
        metrics={"accuracy": accuracy},
    )
    history = trainer.fit(
        idx_train,
        idx_val,
        epochs=8,
        batch_size=len(labels),
        shuffle=False,
        callbacks=[losses],
        progress=False,
    )
    numbers = {"losses": losses.values, "accuracies": history["val_accuracy"]}
    return model.state_dict(), {**numbers, "means": {"val_loss": history["val_loss"]}}


def test_gcn():
    assert_same(gcn_by_hand, gcn)


# --- snli -----------------------------------------------------------------------------


class SNLI(nn.Module):
    """Two sentences through one recurrent network, and a classifier of both states."""

    def __init__(self):
        super().__init__()
        self.embedding, self.encoder = nn.Embedding(9, 6), nn.LSTM(6, 6)
        self.out = nn.Sequential(nn.Dropout(0.2), nn.Linear(12, 12), nn.ReLU())
        self.head = nn.Linear(12, 3)

    def encode(self, ids):
        _, (hidden, _) = self.encoder(self.embedding(ids.t()))
        return hidden[-1]

    def forward(self, batch):
        premise, hypothesis = map(self.encode, (batch["premise"], batch["hypothesis"]))
        return self.head(self.out(torch.cat([premise, hypothesis], 1)))


def sentences(num_batches, seed):
    generator = torch.Generator().manual_seed(seed)
    found = []
    for length in torch.randint(3, 7, (num_batches,), generator=generator).tolist():
        premise, hypothesis = torch.randint(9, (2, 8, length), generator=generator)
        label = (premise[:, 0] - hypothesis[:, 0]).sign() + 1
        batch = {"premise": premise, "hypothesis": hypothesis, "label": label}
        found.append(batch)
    return found


def snli_by_hand():
    model, criterion = SNLI(), nn.CrossEntropyLoss()
    train, dev = sentences(7, seed=0), sentences(3, seed=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    iterations, best_dev_acc, best = 0, -1.0, None
    losses, dev_losses, dev_accs, steps = [], [], [], []
    for _ in range(3):
        for batch in train:
            model.train()
            optimizer.zero_grad()
            iterations += 1
            loss = criterion(model(batch), batch["label"])
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            if iterations % 5 == 0 or iterations == 21:
                model.eval()
                num_correct, dev_loss = 0, 0.0
                with torch.no_grad():
                    for batch in dev:
                        answer, label = model(batch), batch["label"]
                        num_correct += (answer.argmax(dim=1) == label).sum().item()
                        dev_loss += criterion(answer, label).item() * 8
                steps.append(iterations)
                dev_losses.append(dev_loss / 24)
                dev_accs.append(num_correct / 24)
                if dev_accs[-1] > best_dev_acc:
                    best_dev_acc, best = dev_accs[-1], copy.deepcopy(model.state_dict())
    means = {"dev_loss": dev_losses, "dev_acc": dev_accs}
    return best, {"losses": losses, "steps": steps, "means": means}


def snli():
    model, losses = SNLI(), Losses()
    train, dev = sentences(7, seed=0), sentences(3, seed=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    trainer = gt.Trainer(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        forward=lambda model, batch: (model(batch), batch["label"]),
        metrics={"acc": accuracy},
    )
    best = gt.EarlyStopping("val_acc", mode="max", patience=1000)
    history = trainer.fit(
        train, dev, epochs=3, val_every=5, callbacks=[losses, best], progress=False
    )
    rows = [row for row in history.to_dicts() if row["val_loss"] is not None]
    means = {
        "dev_loss": [row["val_loss"] for row in rows],
        "dev_acc": [row["val_acc"] for row in rows],
    }
    steps = [row["num_steps"] for row in rows]
    return model.state_dict(), {"losses": losses.values, "steps": steps, "means": means}


def test_snli():
    assert_same(snli_by_hand, snli)
