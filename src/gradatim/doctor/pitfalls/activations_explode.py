from itertools import pairwise

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import OutputNumbers, TrainingSeen

KINDS = ("Linear", "Conv1d", "Conv2d", "Conv3d")
LAYERS, GROWTH = 4, 3.0


class ActivationsExplode(Pitfall):
    """Each layer of a new model gives larger numbers than the one before.

    What it sees:
        In the first forward, four linear or convolution layers or more, each at least
        with 1.5 times the standard deviation of the one before, all together a
        thousandfold or more, and by 3 a layer on average.

    Why it matters:
        Gradients grow with them. With ``std=1`` in layers of 64 each gives 5.7 times
        the one before: after 8 layers a million times.

    Example::

        nn.init.normal_(layer.weight)            # std = 1, 64 wide

    Instead::

        nn.init.kaiming_normal_(layer.weight)    # std = sqrt(2 / 64)

    Source: He et al. 2015, https://arxiv.org/abs/1502.01852.
    """

    code = "GT704"
    title = "activations explode with depth"
    hides = ("GT105", "GT107", "GT204", "GT205", "GT207", "GT701", "GT308")

    def find(self, seen: TrainingSeen) -> Findings:
        for model in seen.models:
            layers: list[OutputNumbers] = []
            for probe in model.outputs:
                if probe.step or probe.name in [each.name for each in layers]:
                    break
                if probe.kind in KINDS:
                    layers.append(probe)
            if (
                len(layers) < LAYERS
                or not layers[0].std
                or not model.parameters.num_tensors
            ):
                continue
            ratios = [b.std / max(a.std, 1e-30) for a, b in pairwise(layers)]
            total = layers[-1].std / layers[0].std
            if total < 1e3 or total < GROWTH ** len(ratios) or min(ratios) < 1.5:
                continue
            line = next((f.line for f in seen.forwards if f.grad), None)
            yield self.finding(
                verdict="Activations grow from layer to layer in the new model.",
                evidence=f"standard deviation {layers[0].std:.3g} after "
                f"{layers[0].name}, {layers[-1].std:.3g} after {layers[-1].name}, "
                f"{len(layers)} layers",
                cure="nn.init.kaiming_normal_(weight), or a norm between layers",
                line=line,
            )
