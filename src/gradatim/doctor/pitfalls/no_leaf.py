from gradatim.doctor.gradients import have_moved, line_of_backward, reached_leaves
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen

MIN_LOOKS = 5  # chosen by hand, not measured


class NoLeaf(Pitfall):
    """The tensor that is trained was computed from a leaf, which gets the gradient.

    What it sees:
        Backwards of many updates reach a leaf only through an operation made before
        the first of them, such as ``.to`` or a factor.

    Why it matters:
        ``.grad`` of what you hold is None, that of the tensor left behind is filled.
        ``.to("cuda")`` does so on a machine with a GPU and not on one without.

    Example::

        w = torch.randn(3, requires_grad=True).to(torch.float64)

    Instead::

        w = torch.randn(3, dtype=torch.float64, requires_grad=True)

    Source: PyTorch forum 37659; Stack Overflow 44913720; the tutorial, "Parameters".
    """

    code = "GT110"
    title = "parameter is no leaf"
    severity = "error"
    hides = ("GT101", "GT103", "GT607")

    def find(self, seen: TrainingSeen) -> Findings:
        for key, looks in reached_leaves(seen).items():
            later = looks[1:]
            is_stale = len(later) >= MIN_LOOKS and all(look.stale for look in later)
            if not is_stale or have_moved(looks):
                continue
            yield self.finding(
                verdict="The gradient goes to a tensor that was left behind: what is "
                "trained was computed from it once.",
                evidence=f"{len(later)} later backwards reach a leaf of shape "
                f"{looks[0].shape} through one old operation, and it never moves",
                cure="make it in its place at once: torch.randn(..., device=device, "
                "dtype=dtype, requires_grad=True)",
                line=line_of_backward(seen, {key}),
            )
