"""A GAN: two networks, two optimizers, two train steps, one loop."""

import torch
from torch import Tensor, nn

import gradatim as gt

NOISE = 4  # numbers that the generator makes a point from


def real_points(num_points: int, *, seed: int) -> Tensor:
    """Points in the plane: a tilted cloud away from the origin."""
    generator = torch.Generator().manual_seed(seed)
    round_points = torch.randn(num_points, 2, generator=generator)
    tilt, centre = torch.tensor([[1.0, 0.6], [0.0, 0.5]]), torch.tensor([2.0, -1.0])
    return round_points @ tilt + centre


def make_network(num_inputs: int, num_outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(num_inputs, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, 64),
        nn.LeakyReLU(0.2),
        nn.Linear(64, num_outputs),
    )


def main(*, epochs: int = 60, seed: int = 0) -> dict[str, Tensor]:
    """Train both, and return means and deviations of real and generated points."""
    torch.manual_seed(seed)
    generator, discriminator = make_network(NOISE, 2), make_network(2, 1)

    # Each optimizer holds one network: neither step can move the other's weights.
    betas = (0.5, 0.9)
    generator_optimizer = torch.optim.Adam(
        generator.parameters(), lr=0.001, betas=betas
    )
    discriminator_optimizer = torch.optim.Adam(
        discriminator.parameters(), lr=0.002, betas=betas
    )

    def tell_apart(model: nn.Module, batch: tuple[Tensor, Tensor]) -> tuple:
        """The discriminator should say 1 to real points and 0 to generated ones."""
        real, noise = batch
        # Cut off: the generator is not to be pulled towards what is easy to tell apart.
        generated = generator(noise).detach()
        logits = model(torch.cat([real, generated]))
        return logits, torch.cat([torch.ones(len(real), 1), torch.zeros(len(noise), 1)])

    def deceive(model: nn.Module, noise: Tensor) -> tuple:
        """The generator should make the discriminator say 1 to its points."""
        # Gradients flow through the discriminator, and some are left in its weights.
        # They move nothing here, and its own step clears them before it adds new ones.
        return discriminator(model(noise)), torch.ones(len(noise), 1)

    loss_fn = nn.BCEWithLogitsLoss()
    discriminator_step = gt.make_train_step(
        discriminator, loss_fn, discriminator_optimizer, forward=tell_apart
    )
    real = real_points(4096, seed=seed)
    batches = gt.data.Batches(real, batch_size=128, seed=seed)
    # With a rate that stayed as it is the two would circle around each other.
    generator_step = gt.make_train_step(
        generator,
        loss_fn,
        generator_optimizer,
        forward=deceive,
        lr_scheduler=torch.optim.lr_scheduler.LinearLR(
            generator_optimizer, 1.0, 0.0, total_iters=epochs * len(batches)
        ),
    )

    for _ in range(epochs):
        for points in batches:
            discriminator_step(points, torch.randn(len(points), NOISE))
            generator_step(torch.randn(len(points), NOISE))

    with torch.no_grad():
        generated = generator(torch.randn(len(real), NOISE))
    for name, points in (("real", real), ("generated", generated)):
        mean, std = points.mean(dim=0).tolist(), points.std(dim=0).tolist()
        print(f"{name:9}  mean ({mean[0]:5.2f}, {mean[1]:5.2f})", end="  ")
        print(f"std ({std[0]:.2f}, {std[1]:.2f})")
    return {
        "real_mean": real.mean(dim=0),
        "real_std": real.std(dim=0),
        "mean": generated.mean(dim=0),
        "std": generated.std(dim=0),
    }


if __name__ == "__main__":
    main()
