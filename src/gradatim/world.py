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
            f"{call} trains in one process, and this is rank {dist.get_rank()} of "
            f"{world_size}: write a loop for them, or start one process.\n"
            "It does not know of the others: each process would take its own scores, "
            "stop by them and write its own checkpoints.\n"
            "A loop has make_train_step(), a model in DistributedDataParallel, a "
            "DataLoader with a DistributedSampler, and no Run."
        )
