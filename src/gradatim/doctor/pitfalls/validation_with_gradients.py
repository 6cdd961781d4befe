from gradatim.doctor.evaluations import evaluations
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import grouped_by_update
from gradatim.watching import TrainingSeen

MIN_CALLS = 3  # chosen by hand, not measured
MIN_CALLS_IN_LOOPS = 8  # for a warning; chosen by hand, not measured


class ValidationWithGradients(Pitfall):
    """Validation records a graph that no backward ever uses.

    What it sees:
        Calls of a model that is being trained, with gradients on, that no backward
        follows: a warning for batch after batch, advice for a call now and then.

    Why it matters:
        A graph keeps what every layer put out. Memory is 2 to 3 times that of the call
        alone, so validation batches must be smaller than they could be, and it is kept
        for all batches where the losses are collected in a list.

    Example::

        model.eval()
        for x, y in val_loader:
            total += loss_fn(model(x), y).item()

    Instead::

        model.eval()
        with torch.no_grad():
            for x, y in val_loader:
                total += loss_fn(model(x), y).item()

    Source: PyTorch, "Autograd mechanics", locally disabling gradient computation.
    """

    code = "GT403"
    title = "validation without no_grad"

    def find(self, seen: TrainingSeen) -> Findings:
        for number, model in enumerate(seen.models):
            calls = [f for f in evaluations(seen, number) if f.grad]
            if len(calls) < MIN_CALLS:
                continue
            groups = grouped_by_update(calls)
            num_in_loops = sum(len(group) for group in groups if len(group) > 1)
            are_repeats = all(f.same_input for f in calls)
            # Calls with one and the same input are advice, however many they are.
            is_much = num_in_loops >= MIN_CALLS_IN_LOOPS and not are_repeats
            yield self.finding(
                verdict=f"{model.kind} is evaluated with gradients on: graphs are "
                "recorded that nothing uses.",
                evidence=f"{len(calls)} calls with a graph and no backward, after "
                f"{len(groups)} different updates",
                cure="with torch.no_grad(): around the validation",
                line=calls[0].line,
                severity="warning" if is_much else "info",
            )
