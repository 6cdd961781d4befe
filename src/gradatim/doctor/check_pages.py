"""What :func:`gradatim.check` looks for, each with its page."""

from gradatim.doctor.pitfall import Pitfall

__all__ = ["CHECKS", "FarFromChance", "NotLearned", "RowsLeak", "WithoutGradient"]


class RowsLeak(Pitfall):
    """The output of one row depends on the input of another.

    What it sees:
        In eval mode, the gradient of the output of one row with respect to the input of
        another row is not zero.

    Why it matters:
        Predictions then depend on what else is in the batch. A model that is asked for
        one row alone, with a batch of 1, gives another answer than it was scored with.

    Example::

        x = x.view(time, batch, features)   # from (batch, time, features)

    Instead::

        x = x.transpose(0, 1)

    Source: Karpathy 2019, "A Recipe for Training Neural Networks": use backprop to
    chart dependencies.
    """

    code = "GT001"
    title = "rows of a batch are mixed"
    severity = "error"


class FarFromChance(Pitfall):
    """The first loss of a classifier is far above that of one that knows nothing.

    What it sees:
        A cross-entropy of C classes whose first value is above ``2 ln C + 0.5``.

    Why it matters:
        Equal probabilities cost ``ln C``: 1.10 for 3 classes, 2.30 for 10. A model that
        begins at 20 is sure and wrong, and the first updates only take that back.

    Example::

        model(pixels)           # numbers from 0 to 255

    Instead::

        model(pixels / 255)

    Source: Karpathy 2019, "A Recipe for Training Neural Networks": verify loss at init.
    """

    code = "GT002"
    title = "the first loss is far from chance"


class WithoutGradient(Pitfall):
    """Parameters that ask for a gradient get none.

    What it sees:
        After one backward, ``.grad`` is ``None`` for a parameter with
        ``requires_grad``.

    Why it matters:
        Such a parameter is never trained: it keeps its first random numbers.

    Example::

        def forward(self, x):
            return self.head(self.body(x).detach())

    Instead::

        def forward(self, x):
            return self.head(self.body(x))

    Source: the documentation of ``torch.autograd``.
    """

    code = "GT003"
    title = "parameters without a gradient"


class NotLearned(Pitfall):
    """One batch, again and again, is not learned by heart.

    What it sees:
        In 200 updates of a copy on the same rows, with the given optimizer, the loss
        has not halved.

    Why it matters:
        A network has far more weights than a batch has rows, and can fit any labels. If
        it does not, no amount of data will help: the graph is cut, the loss broadcasts,
        labels do not belong to their rows, or the learning rate is far off.

    Example::

        optimizer = torch.optim.SGD(model.parameters(), lr=1e-7)

    Instead::

        optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)

    Source: Karpathy 2019, "A Recipe for Training Neural Networks": overfit one batch.
    """

    code = "GT004"
    title = "one batch cannot be learned by heart"


CHECKS = (RowsLeak(), FarFromChance(), WithoutGradient(), NotLearned())
