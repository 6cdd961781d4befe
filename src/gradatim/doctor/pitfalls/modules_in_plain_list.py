from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import optimized_parameters, optimizers_of
from gradatim.doctor.source_code.assignments import assignment_line
from gradatim.watching import TrainingSeen


class ModulesInPlainList(Pitfall):
    """Layers in a plain list or dict are called, and not trained.

    What it sees:
        A module with parameters, called in a model with gradients on, that a plain
        list, tuple or dict of the model holds; and no optimizer has its parameters. A
        frozen one, hidden so on purpose, is left alone.

    Why it matters:
        ``model.parameters()`` does not know them: of three hidden layers in a list 0
        are trained, moved by ``.to(device)``, or saved by ``state_dict``.

    Example::

        self.layers = [nn.Linear(8, 8) for _ in range(3)]

    Instead::

        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))

    Source: the documentation of ``torch.nn.ModuleList``; Stack Overflow 52298179.
    """

    code = "GT601"
    title = "modules in a plain list or dict"
    severity = "error"
    hides = ("GT203", "GT208", "GT201")

    def find(self, seen: TrainingSeen) -> Findings:
        held = optimized_parameters(seen)
        for model in seen.models:
            modules = model.unregistered.modules
            parameters = model.unregistered.parameters
            if not seen.num_steps or not modules:
                continue
            untrained = [p for p, k in parameters.items() if k and held.isdisjoint(k)]
            is_trained = bool(optimizers_of(seen, model) or not model.parameters.names)
            if untrained and not is_trained:
                continue
            if not untrained and all(held.isdisjoint(k) for k in parameters.values()):
                continue  # they are frozen
            places = untrained or list(modules)
            attribute = places[0].partition("[")[0]
            count = sum(len(parameters[place]) for place in places)
            yield self.finding(
                verdict=f"Modules in self.{attribute}, a plain list or dict, are not "
                f"registered in {model.kind}"
                + (": they are not trained." if untrained else "."),
                evidence=f"{len(places)} modules called ({', '.join(places[:3])}) with "
                f"{count} parameter tensors, {0 if untrained else count} of them in an "
                "optimizer",
                cure=f"self.{attribute} = nn.ModuleList(...), or nn.ModuleDict",
                line=assignment_line(model, places[0]) or modules[places[0]],
                severity="error" if untrained else "info",
            )
