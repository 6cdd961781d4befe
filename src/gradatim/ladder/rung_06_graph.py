"""Rung 6: the graph that autograd builds while the program runs.

Nothing is replaced; rung 5's ``backward()`` is looked at from inside. Every
operation on a parameter leaves a node, the result's ``grad_fn``, that points
to its inputs.
Source: the tutorial, "Dynamic Computation Graph".
"""

import torch

from gradatim.data import line, line_split
from gradatim.graphs import Graph, graph

__all__ = ["pictures", "run"]


# The seeds set below end with the function: the caller's random numbers are
# put back.
@torch.random.fork_rng(devices=range(torch.cuda.device_count()))
def pictures() -> dict[str, tuple[str, Graph]]:
    """Build the tutorial's graphs: name, what is computed, and the graph."""
    (x, y), _ = line_split(*line())
    torch.manual_seed(42)
    a = torch.randn(1, requires_grad=True)
    b = torch.randn(1, requires_grad=True)

    # Rung 5's forward pass. Predictions are called yhat in the tutorial.
    yhat = a + b * x
    error = y - yhat
    loss = (error**2).mean()

    # The same with an a that is a plain number to autograd: its box is gone.
    fixed_a = a.detach()
    fixed = fixed_a + b * x

    # A graph is built by the code that runs, ifs included: with a positive
    # loss a second path goes from b to the sum.
    branched = loss
    if loss > 0:
        branched = loss + (y - b * x).mean()

    return {
        "yhat": ("yhat = a + b * x", graph(yhat)),
        "error": ("error = y - yhat", graph(error)),
        "loss": ("loss = (error ** 2).mean()", graph(loss)),
        "fixed": ("a + b * x, a with requires_grad=False", graph(fixed)),
        "branched": ("if loss > 0: loss + (y - b * x).mean()", graph(branched)),
    }


def run() -> None:
    """Print what autograd keeps, and the graphs as text."""
    found = pictures()

    # What PyTorch itself keeps: one grad_fn, and from there the next ones.
    # AccumulateGrad adds to a parameter's .grad; x has no node, as autograd
    # computes no gradient for it: its place is None.
    b = torch.ones(1, requires_grad=True)
    product = b * torch.ones(80, 1)
    assert product.grad_fn is not None
    print("b * x has the grad_fn", product.grad_fn.name())
    print("its next_functions are")
    for node, _ in product.grad_fn.next_functions:
        print(" ", node.name() if node else None)

    # Each graph from the operation that backward() starts from (green in the
    # pictures) over the others (gray) up to the parameters (blue).
    # gradatim graph --tutorial -o pictures  draws them.
    for title, picture in found.values():
        print()
        print(title)
        print(picture.text(), end="")


if __name__ == "__main__":
    run()
