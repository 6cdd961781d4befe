"""Rung 3: the data as tensors, on the device that is there.

PyTorch's tensors replace NumPy's arrays: ``from_numpy`` and back, float32, CPU
or GPU. What cannot go back to NumPy says why.
Source: the tutorial, "Tensor" and "Loading Data, Devices and CUDA".
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["run"]


def run() -> tuple[Float[Tensor, "80 1"], Float[Tensor, "80 1"]]:
    """Make rung 1's training data again, as tensors; return x and y."""
    # The words first. A scalar has no dimension, a vector one, a matrix two, a
    # tensor three or more; PyTorch calls all of them tensors.
    scalar = torch.tensor(3.14159)
    vector = torch.tensor([1.0, 2.0, 3.0])
    matrix = torch.ones(2, 3)
    tensor = torch.ones(2, 3, 4)
    print("scalar", scalar.dim(), tuple(scalar.shape))
    print("vector", vector.dim(), tuple(vector.shape))
    print("matrix", matrix.dim(), tuple(matrix.shape))
    print("tensor", tensor.dim(), tuple(tensor.shape))

    # A name that ends in _ changes its tensor in place; without it a new one
    # is made.
    vector.add(10)
    print("after add ", vector)
    vector.add_(10)
    print("after add_", vector)

    # Rung 1's data, as NumPy arrays.
    random = np.random.RandomState(42)
    x = random.rand(100, 1)
    y = 1 + 2 * x + 0.1 * random.randn(100, 1)
    rows = np.arange(100)
    random.shuffle(rows)
    x_train, y_train = x[rows[:80]], y[rows[:80]]

    # A GPU where there is one, else the CPU: the rest of the program need not
    # know.
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print("device", device)

    # from_numpy shares the array's memory and its float64; float() makes a
    # float32 copy, which is what PyTorch's layers hold; to() sends it to the
    # device.
    x_tensor = torch.from_numpy(x_train).float().to(device)
    y_tensor = torch.from_numpy(y_train).float().to(device)

    # Python's type() calls all of them Tensor; the tensor's own type() also
    # tells the dtype and where it lives (torch.cuda.FloatTensor on a GPU).
    print(type(x_train), x_train.dtype)
    print(type(x_tensor), x_tensor.type(), tuple(x_tensor.shape))

    # Back to NumPy by way of the CPU; cpu() does nothing to a tensor already
    # there.
    print(type(x_tensor.cpu().numpy()))

    # NumPy cannot read another device's memory. Without a GPU the device
    # "meta", which has shapes but no numbers, shows the same refusal.
    other_device = "cuda" if torch.cuda.is_available() else "meta"
    elsewhere = torch.zeros(3, device=other_device)
    try:
        elsewhere.numpy()
    except TypeError as exception:
        print(f"{elsewhere.device}.numpy() -> TypeError: {exception}")

    # Nor can it follow a tensor that autograd (rung 5) is watching: detach()
    # first.
    watched = torch.zeros(3, requires_grad=True)
    try:
        watched.numpy()
    except RuntimeError as exception:
        print(f"requires_grad, numpy() -> RuntimeError: {exception}")
    print("detach().numpy()", watched.detach().numpy())

    return x_tensor, y_tensor


if __name__ == "__main__":
    run()
