"""Several processes that train one model together are refused, until we can do it."""

import torch.distributed as dist

from gradatim.errors import ConfigError

__all__ = ["refuse_processes"]


def refuse_processes(call: str) -> None:
    """Refuse a training in one of several processes of ``torch.distributed``.

    Args:
        call: What was called, for the message.

    Raises:
        ConfigError: There is a group of more than one process.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return
    world_size = dist.get_world_size()
    if world_size > 1:
        raise ConfigError(
            f"{call} is called in process {dist.get_rank()} of {world_size} (its rank) "
            "of torch.distributed.\n"
            "It does not know of the others: each process would take its own scores, "
            "stop by them and write its own checkpoints.\n"
            "Train in one process; or write a loop with make_train_step(), a model in "
            "DistributedDataParallel and a DataLoader with a DistributedSampler, and "
            "without a Run."
        )
