from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen


class WholeDataOnDevice(Pitfall):
    """The tensors of a data set lie on the accelerator, where only batches need to.

    What it sees:
        A ``DataLoader`` whose data set holds tensors on another device than the CPU.

    Why it matters:
        They take the memory that weights, gradients and activations need: 336,776 rows
        of 50 numbers are 67 MB, a million pictures of 224 x 224 are 600 GB. And
        ``num_workers`` above 0 cannot read them. Where they fit, it may be meant: it
        saves the copy of each batch.

    Example::

        loader = DataLoader(TensorDataset(x.to("cuda"), y.to("cuda")), batch_size=64)

    Instead::

        loader = DataLoader(TensorDataset(x, y), batch_size=64)
        for x_batch, y_batch in loader:
            x_batch, y_batch = x_batch.to("cuda"), y_batch.to("cuda")

    Source: the tutorial, "Dataset" and "DataLoader".
    """

    code = "GT512"
    title = "whole data set on the accelerator"
    severity = "info"

    def find(self, seen: TrainingSeen) -> Findings:
        for loader in seen.loaders:
            if loader.num_bytes_away:
                yield self.finding(
                    verdict="The whole data set lies on the accelerator, not only the "
                    "mini-batch.",
                    evidence=f"{loader.num_bytes_away / 1e6:,.4g} MB of its tensors "
                    f"are on {loader.device}",
                    cure="keep it on the CPU, and send each batch: x.to(device)",
                    line=loader.line,
                )
