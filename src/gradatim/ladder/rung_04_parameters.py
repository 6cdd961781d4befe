"""Rung 4: parameters, and four ways to make one on a device.

``requires_grad=True`` marks the tensors whose gradients autograd will compute.
They must be leaves, tensors that no operation made: only a leaf gets a
``.grad``.
Source: the tutorial, "Creating Parameters".
"""

import warnings

import torch

__all__ = ["run"]


# The seeds set below end with the function: the caller's random numbers are
# put back.
@torch.random.fork_rng(devices=range(torch.cuda.device_count()))
def run() -> None:
    """Make one parameter in four ways and say which of them can be trained."""
    # Without a GPU the device "meta" stands in for one: it has shapes, but no
    # numbers.
    device = torch.device("cuda" if torch.cuda.is_available() else "meta")

    # First way: right, but on the CPU.
    torch.manual_seed(42)
    a = torch.randn(1, requires_grad=True)
    print("1. randn(1, requires_grad=True)")
    print("  ", a, "leaf:", a.is_leaf)

    # Second way: marked, then sent. What arrives is a copy, the result of an
    # operation (it has a grad_fn): not a leaf. The marked tensor stays behind
    # on the CPU.
    torch.manual_seed(42)
    a = torch.randn(1, requires_grad=True).to(device)
    print("2. randn(1, requires_grad=True).to(device)          WRONG")
    print("  ", a, "leaf:", a.is_leaf)
    try:
        torch.optim.SGD([a], lr=0.1)
    except ValueError as exception:
        print("   the optimizer -> ValueError:", exception)

    # Third way: sent first, then marked, in place: that is what the final _
    # says.
    torch.manual_seed(42)
    a = torch.randn(1).to(device)
    a.requires_grad_()
    print("3. randn(1).to(device), then requires_grad_()")
    print("  ", a, "leaf:", a.is_leaf)

    # Fourth way, the best: made on the device in the first place.
    torch.manual_seed(42)
    a = torch.randn(1, requires_grad=True, device=device)
    print("4. randn(1, requires_grad=True, device=device)      BEST")
    print("  ", a, "leaf:", a.is_leaf)

    # The second way hides well. to() copies only if something changes, so on a
    # machine without a GPU the same line gives a leaf, and fails later on a
    # machine with one.
    a = torch.randn(1, requires_grad=True)
    print("to('cpu') on the CPU is the same tensor:", a.to("cpu") is a)

    # A change of dtype is a copy too. The gradient goes to the tensor left
    # behind.
    torch.manual_seed(42)
    a = torch.randn(1, requires_grad=True)
    copy = a.to(torch.float64)
    (3 * copy).backward()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        print("to(float64), backward(): the copy's .grad is", copy.grad)
    print("   that of the tensor left behind", a.grad)
    print("   PyTorch warns:", str(caught[0].message).partition(". ")[0] + ".")


if __name__ == "__main__":
    run()
