"""Rung 6: the graph that autograd builds while the program runs.

Nothing is replaced; rung 5's ``backward()`` is looked at from inside. Every
operation on a parameter leaves a node, the result's ``grad_fn``, that points
to its inputs.
Source: the tutorial, "Dynamic Computation Graph".
"""

import torch

from gradatim.data import line, line_split

__all__ = ["run"]


# The seeds set below end with the function: the caller's random numbers are
# put back.
@torch.random.fork_rng(devices=range(torch.cuda.device_count()))
def run() -> None:
    """Print the graphs of predictions, error and loss, and two variations."""
    (x_train, y_train), _ = line_split(*line())
    torch.manual_seed(42)
    a = torch.randn(1, requires_grad=True)
    b = torch.randn(1, requires_grad=True)

    # Rung 5's forward pass; predictions are what the tutorial calls yhat.
    predictions = a + b * x_train
    error = y_train - predictions
    loss = (error**2).mean()

    # The same with an a that is a plain number to autograd: its box is gone.
    fixed_a = torch.randn(1, requires_grad=False)
    fixed_predictions = fixed_a + b * x_train

    # A graph is built by the code that runs, ifs included: with a positive
    # loss a second path goes from b to the sum.
    branched = loss
    if loss > 0:
        branched = loss + (y_train - b * x_train).mean()

    # What PyTorch itself keeps: one grad_fn, and from there the next ones.
    assert predictions.grad_fn is not None
    print("predictions.grad_fn is", predictions.grad_fn.name())
    print("its next_functions are")
    for node, _ in predictions.grad_fn.next_functions:
        print(" ", node.name() if node else None)
    print("x_train.grad_fn is", x_train.grad_fn, "(no gradient, so no box)")

    # Each graph, from the node that backward() starts from (green) over the
    # other operations (gray) down to the parameters (blue): the colours of the
    # tutorial's pictures. AccumulateGrad is the node that adds to a
    # parameter's .grad. An input without a gradient has no node: its place in
    # next_functions is None.
    graphs = {
        "predictions = a + b * x": predictions,
        "error = y - predictions": error,
        "loss = (error ** 2).mean()": loss,
        "a + b * x, a with requires_grad=False": fixed_predictions,
        "if loss > 0: loss + (y - b * x).mean()": branched,
    }
    for title, result in graphs.items():
        print()
        print(title)
        waiting = [(result.grad_fn, 1)]
        while waiting:
            node, depth = waiting.pop()
            if node is None:
                continue
            if node.name().endswith("AccumulateGrad"):
                parameter = node.variable  # type: ignore[attr-defined]
                name = "a" if parameter is a else "b"
                print("  " * depth + f"{name} (blue, a parameter)")
            else:
                colour = "green, the start" if depth == 1 else "gray"
                print("  " * depth + f"{node.name()} ({colour})")
            for child, _ in reversed(node.next_functions):
                waiting.append((child, depth + 1))


if __name__ == "__main__":
    run()
