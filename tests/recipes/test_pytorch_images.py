"""Five programs of PyTorch's own examples on pictures, in their loops and in ours.

Each loop has the structure of https://github.com/pytorch/examples, on small data.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, TensorDataset

import gradatim as gt
from tests.recipes.by_hand import Losses, assert_same, digits


def loaders(*, batch_size=8):
    """The rows in another order each epoch, drawn from the global generator."""
    train, test = TensorDataset(*digits(44)), TensorDataset(*digits(20, seed=1))
    return DataLoader(train, batch_size, shuffle=True), DataLoader(test, 16)


# --- mnist ----------------------------------------------------------------------------


def mnist_net():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(36, 10),
        nn.LogSoftmax(dim=1),
    )


def mnist_by_hand():
    model, (train_loader, test_loader) = mnist_net(), loaders()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    losses, test_losses, accuracies = [], [], []
    for _ in range(2):
        model.train()
        for data, target in train_loader:
            optimizer.zero_grad()
            loss = F.nll_loss(model(data), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        test_loss, correct = 0.0, 0
        with torch.no_grad():
            for data, target in test_loader:
                output = model(data)
                test_loss += F.nll_loss(output, target, reduction="sum").item()
                correct += (output.argmax(dim=1) == target).sum().item()
        test_losses.append(test_loss / 20)
        accuracies.append(correct / 20)
        scheduler.step()
    means = {"test_loss": test_losses, "accuracy": accuracies}
    return model.state_dict(), {"losses": losses, "means": means}


def mnist():
    model, (train_loader, test_loader) = mnist_net(), loaders()
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    losses = Losses()
    trainer = gt.Trainer(
        model,
        nn.NLLLoss(),
        optimizer,
        metrics={"accuracy": lambda p, t: (p.argmax(dim=1) == t).float().mean()},
    )
    history = trainer.fit(
        train_loader,
        test_loader,
        epochs=2,
        callbacks=[losses, gt.LRScheduler(scheduler)],
        progress=False,
    )
    means = {"test_loss": history["val_loss"], "accuracy": history["val_accuracy"]}
    return model.state_dict(), {"losses": losses.values, "means": means}


def test_mnist():
    assert_same(mnist_by_hand, mnist)


# --- vae ------------------------------------------------------------------------------


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(64, 16)
        self.mu, self.logvar = nn.Linear(16, 2), nn.Linear(16, 2)
        self.decoder = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 64))

    def forward(self, x):
        hidden = F.relu(self.encoder(x.view(-1, 64)))
        mu, logvar = self.mu(hidden), self.logvar(hidden)
        z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
        return torch.sigmoid(self.decoder(z)), mu, logvar


def vae_loss(outputs, x):
    recon, mu, logvar = outputs
    bce = F.binary_cross_entropy(recon, x.view(-1, 64), reduction="sum")
    return bce - 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


vae_loss.reduction = "sum"


def vae_by_hand():
    model, (train_loader, test_loader) = VAE(), loaders()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses, train_losses, test_losses = [], [], []
    for _ in range(2):
        model.train()
        train_loss = test_loss = 0.0
        for data, _ in train_loader:
            optimizer.zero_grad()
            loss = vae_loss(model(data), data)
            loss.backward()
            train_loss += loss.item()
            losses.append(loss.item())
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for data, _ in test_loader:
                test_loss += vae_loss(model(data), data).item()
        train_losses.append(train_loss / 44)
        test_losses.append(test_loss / 20)
    means = {"train_loss": train_losses, "test_loss": test_losses}
    return model.state_dict(), {"losses": losses, "means": means}


def vae():
    model, (train_loader, test_loader) = VAE(), loaders()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    losses = Losses()
    trainer = gt.Trainer(
        model,
        vae_loss,
        optimizer,
        forward=lambda model, batch: (model(batch[0]), batch[0]),
    )
    history = trainer.fit(
        train_loader, test_loader, epochs=2, callbacks=[losses], progress=False
    )
    means = {"train_loss": history["train_loss"], "test_loss": history["val_loss"]}
    return model.state_dict(), {"losses": losses.values, "means": means}


def test_vae():
    assert_same(vae_by_hand, vae)


# --- dcgan ----------------------------------------------------------------------------


def dcgan_nets():
    generator = nn.Sequential(
        nn.ConvTranspose2d(3, 4, 4, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.ConvTranspose2d(4, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, 4, 4, 2, 1, bias=False),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4, 1, 4, bias=False),
        nn.Sigmoid(),
        nn.Flatten(0),
    )
    nets = generator, discriminator
    betas = (0.5, 0.999)
    return *nets, *(
        torch.optim.Adam(n.parameters(), lr=2e-3, betas=betas) for n in nets
    )


def dcgan_by_hand():
    netG, netD, optimizerG, optimizerD = dcgan_nets()
    loader, _ = loaders()
    criterion, losses = nn.BCELoss(), []
    for _ in range(2):
        for data, _ in loader:
            size = len(data)
            netD.zero_grad()
            label = torch.ones(size)
            errD_real = criterion(netD(data), label)
            errD_real.backward()
            fake = netG(torch.randn(size, 3, 1, 1))
            label.fill_(0)
            errD_fake = criterion(netD(fake.detach()), label)
            errD_fake.backward()
            errD = errD_real + errD_fake
            optimizerD.step()
            netG.zero_grad()
            label.fill_(1)
            errG = criterion(netD(fake), label)
            errG.backward()
            optimizerG.step()
            losses.append((errD.item(), errG.item()))
    weights = [netG.state_dict(), netD.state_dict()]
    return weights, {"losses": losses, "means": {}}


def dcgan():
    netG, netD, optimizerG, optimizerD = dcgan_nets()
    loader, _ = loaders()
    criterion, losses = nn.BCELoss(), []

    def tell_apart(netD, data):
        real = criterion(netD(data), torch.ones(len(data)))
        netG.fake = netG(torch.randn(len(data), 3, 1, 1))
        return real + criterion(netD(netG.fake.detach()), torch.zeros(len(data)))

    def deceive(netG, data):
        return criterion(netD(netG.fake), torch.ones(len(data)))

    step_of_d = gt.make_train_step(netD, None, optimizerD, forward=tell_apart)
    step_of_g = gt.make_train_step(netG, None, optimizerG, forward=deceive)
    for _ in range(2):
        for data, _ in loader:
            losses.append((step_of_d(data).item(), step_of_g(data).item()))
    weights = [netG.state_dict(), netD.state_dict()]
    return weights, {"losses": losses, "means": {}}


def test_dcgan():
    assert_same(dcgan_by_hand, dcgan)


# --- siamese_network ------------------------------------------------------------------


class Pairs(Dataset):
    """Two pictures and whether they are of one class; drawn anew each time."""

    def __init__(self, num_rows, *, seed=0):
        self.images, self.labels = digits(num_rows, classes=3, seed=seed)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        is_same = index % 2 == 0
        others = (self.labels == self.labels[index]) == is_same
        rows = others.nonzero()[:, 0]
        other = rows[torch.randint(len(rows), ())]
        return self.images[index], self.images[other], torch.tensor(float(is_same))


class Siamese(nn.Module):
    def __init__(self):
        super().__init__()
        self.branch = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU())
        self.head = nn.Linear(16, 1)

    def forward(self, one, other):
        both = torch.cat([self.branch(one), self.branch(other)], dim=1)
        return torch.sigmoid(self.head(both))


def siamese_by_hand():
    model, criterion = Siamese(), nn.BCELoss()
    train_loader, test_loader = DataLoader(Pairs(24), 8), DataLoader(Pairs(12), 5)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    losses, accuracies = [], []
    for _ in range(3):
        model.train()
        for one, other, target in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(one, other).squeeze(), target)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        correct = 0
        with torch.no_grad():
            for one, other, target in test_loader:
                predicted = torch.where(model(one, other).squeeze() > 0.5, 1, 0)
                correct += predicted.eq(target).sum().item()
        accuracies.append(correct / 12)
        scheduler.step()
    return model.state_dict(), {"losses": losses, "means": {"accuracy": accuracies}}


def siamese():
    model, losses = Siamese(), Losses()
    train_loader, test_loader = DataLoader(Pairs(24), 8), DataLoader(Pairs(12), 5)
    optimizer = torch.optim.Adadelta(model.parameters(), lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    trainer = gt.Trainer(
        model,
        nn.BCELoss(),
        optimizer,
        forward=lambda model, batch: (model(*batch[:2]).squeeze(), batch[2]),
        metrics={"accuracy": lambda p, t: ((p > 0.5) == t).float().mean()},
    )
    history = trainer.fit(
        train_loader,
        test_loader,
        epochs=3,
        callbacks=[losses, gt.LRScheduler(scheduler)],
        progress=False,
    )
    means = {"accuracy": history["val_accuracy"]}
    return model.state_dict(), {"losses": losses.values, "means": means}


def test_siamese_network():
    assert_same(siamese_by_hand, siamese)


# --- super_resolution -----------------------------------------------------------------


def super_resolution_net():
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 4, 3, padding=1),
        nn.PixelShuffle(2),
    )


def small_and_large():
    large, _ = digits(24)
    rows = TensorDataset(F.avg_pool2d(large, 2), large)
    return DataLoader(rows, 4, shuffle=True), DataLoader(rows, 10)


def super_resolution_by_hand():
    model, criterion = super_resolution_net(), nn.MSELoss()
    train_loader, test_loader = small_and_large()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    losses, ratios = [], []
    for _ in range(2):
        for inputs, targets in train_loader:
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            losses.append(loss.item())
            loss.backward()
            optimizer.step()
        total = 0.0
        with torch.no_grad():
            for inputs, targets in test_loader:
                mse = criterion(model(inputs), targets)
                total += 10 * math.log10(1 / mse.item())
        ratios.append(total / len(test_loader))
    return model.state_dict(), {"losses": losses, "psnr": ratios, "means": {}}


class MeanRatio:
    """The mean over batches of the signal-to-noise ratio, as the example has it."""

    def reset(self):
        self.total, self.num_batches = 0.0, 0

    def update(self, predictions, targets):
        mse = F.mse_loss(predictions, targets)
        self.total += 10 * math.log10(1 / mse.item())
        self.num_batches += 1

    def compute(self):
        return self.total / self.num_batches


def super_resolution():
    model, losses = super_resolution_net(), Losses()
    train_loader, test_loader = small_and_large()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    trainer = gt.Trainer(model, nn.MSELoss(), optimizer, metrics={"psnr": MeanRatio()})
    history = trainer.fit(
        train_loader, test_loader, epochs=2, callbacks=[losses], progress=False
    )
    ratios = history["val_psnr"]
    return model.state_dict(), {"losses": losses.values, "psnr": ratios, "means": {}}


def test_super_resolution():
    assert_same(super_resolution_by_hand, super_resolution)
