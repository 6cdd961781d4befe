from itertools import pairwise

from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.doctor.queries import first_trained_line
from gradatim.watching import OutputNumbers, TrainingSeen

KINDS = ("Linear", "Conv1d", "Conv2d", "Conv3d")
MIN_LAYERS = 4  # chosen by hand, not measured
MIN_GROWTH = 1e3  # of all layers together; chosen by hand, not measured
MIN_MEAN_GROWTH = 3.0  # of a layer, on average; chosen by hand, not measured
MIN_GROWTH_OF_A_LAYER = 1.5  # chosen by hand, not measured


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
            for output in model.outputs:
                if output.step or output.name in [layer.name for layer in layers]:
                    break  # the first forward of the new model is over
                if output.kind in KINDS:
                    layers.append(output)
            if len(layers) < MIN_LAYERS or not layers[0].std:
                continue
            ratios = [b.std / max(a.std, 1e-30) for a, b in pairwise(layers)]
            growth = layers[-1].std / layers[0].std
            min_growth = max(MIN_GROWTH, MIN_MEAN_GROWTH ** len(ratios))
            is_small = growth < min_growth or min(ratios) < MIN_GROWTH_OF_A_LAYER
            if is_small or not model.parameters.num_tensors:
                continue
            yield self.finding(
                verdict="Activations grow from layer to layer in the new model.",
                evidence=f"standard deviation {layers[0].std:.3g} after "
                f"{layers[0].name}, {layers[-1].std:.3g} after {layers[-1].name}, "
                f"{len(layers)} layers",
                cure="nn.init.kaiming_normal_(weight), or a norm between layers",
                line=first_trained_line(seen),
            )
