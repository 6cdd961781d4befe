from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen


class ForwardCalledDirectly(Pitfall):
    """``forward`` is called, and what ``model(x)`` does around it is left out.

    What it sees:
        Layers that are called from a module's ``forward`` while that module itself was
        not called. Advice; a warning if the module has hooks.

    Why it matters:
        Hooks do not run: 0 of those that ``register_forward_hook`` was given, nor
        those of ``DistributedDataParallel``, spectral norm and pruning.

    Example::

        predictions = model.forward(x)

    Instead::

        predictions = model(x)

    Source: the documentation of ``torch.nn.Module.forward``; Stack Overflow 54239125.
    """

    code = "GT405"
    title = "forward called instead of the model"
    severity = "info"

    def find(self, seen: TrainingSeen) -> Findings:
        for model in seen.models:
            if model.direct.line is None or ".forward(" not in model.direct.line.code:
                continue
            yield self.finding(
                verdict="forward is called directly: hooks of the module do not run.",
                evidence=f"{model.kind} was called {model.num_calls} times from a "
                "forward whose own module was called 0 times",
                cure="model(x) instead of model.forward(x)",
                line=model.direct.line,
                severity="warning" if model.direct.has_hooks else "info",
            )
