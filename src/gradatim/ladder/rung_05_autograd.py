"""Rung 5: autograd computes the gradients.

``backward()`` replaces rung 1's two derivatives. What is new is how to update
a parameter that autograd watches: two attempts fail, the third trains.
Source: the tutorial, "Autograd".
"""

# mypy: disable-error-code="operator, union-attr"
# To a type checker .grad may be None, as it is before the first backward().

import warnings

import torch

from gradatim.data import line, line_split

__all__ = ["run"]


# The seeds set below end with the function: the caller's random numbers are
# put back.
@torch.random.fork_rng(devices=range(torch.cuda.device_count()))
def run(epochs: int = 1000) -> tuple[float, float, dict[str, list[float]]]:
    """Fail twice, then train a and b; return them and every epoch's loss."""
    # 80 points are quickest on the CPU. On a GPU: x_train.to(device), and rung
    # 4's fourth way for a and b.
    (x_train, y_train), _ = line_split(*line())
    lr = 0.1

    # First attempt: rung 1's update. It computes a new tensor and gives it the
    # name a; the parameter that backward() knows has lost its name, and the
    # new one's .grad is None. (PyTorch also warns that it is no leaf.)
    torch.manual_seed(42)
    a = torch.randn(1, requires_grad=True)
    b = torch.randn(1, requires_grad=True)
    loss = ((y_train - (a + b * x_train)) ** 2).mean()
    loss.backward()
    print("1. a = a - lr * a.grad")
    try:
        a = a - lr * a.grad
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            a.grad.zero_()
    except AttributeError as exception:
        print("   a is now", a)
        print("   a.grad.zero_() -> AttributeError:", exception)

    # Second attempt: in place, so that the name stays with its parameter.
    # Autograd would have to record the update itself, and refuses.
    torch.manual_seed(42)
    a = torch.randn(1, requires_grad=True)
    b = torch.randn(1, requires_grad=True)
    loss = ((y_train - (a + b * x_train)) ** 2).mean()
    loss.backward()
    print("2. a -= lr * a.grad")
    try:
        a -= lr * a.grad
    except RuntimeError as exception:
        print("   RuntimeError:", exception)

    # Third attempt: in place, and no_grad() tells autograd to look away.
    torch.manual_seed(42)
    a = torch.randn(1, requires_grad=True)
    b = torch.randn(1, requires_grad=True)
    print("3. with torch.no_grad(): a -= lr * a.grad")
    print(f"   start  a {a.item():.4f}  b {b.item():.4f}")

    losses = []
    for _ in range(epochs):
        predictions = a + b * x_train
        error = y_train - predictions
        loss = (error**2).mean()
        loss.backward()  # fills a.grad and b.grad: no derivative by hand
        with torch.no_grad():
            a -= lr * a.grad
            b -= lr * b.grad
        a.grad.zero_()  # backward() adds to what is there: clear it, in place
        b.grad.zero_()
        losses.append(loss.item())

    print(f"   end    a {a.item():.4f}  b {b.item():.4f}")

    # And without zero_()? Each backward() adds to the sum of all before it.
    torch.manual_seed(42)
    c = torch.randn(1, requires_grad=True)
    d = torch.randn(1, requires_grad=True)
    print("zeroing forgotten")
    for count in range(1, 4):
        loss = ((y_train - (c + d * x_train)) ** 2).mean()
        loss.backward()
        print(f"   after backward() number {count}: a.grad {c.grad.item():.4f}")

    # Trained like that, the updates overshoot and swing instead of settling.
    c.grad.zero_()
    d.grad.zero_()
    for _ in range(100):
        loss = ((y_train - (c + d * x_train)) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            c -= lr * c.grad
            d -= lr * d.grad
    print(f"   after 100 updates: a {c.item():.4f}  b {d.item():.4f}")
    print(f"   loss {loss.item():.4f}, with zeroing {losses[:100][-1]:.4f}")

    return a.item(), b.item(), {"train_loss": losses}


if __name__ == "__main__":
    run()
