"""The events of any PyTorch loop, as the doctor reads them."""

from gradatim.watching.patches import installed
from gradatim.watching.training_seen import TrainingSeen
from gradatim.watching.watcher import Watcher

__all__ = ["TrainingSeen", "Watcher", "installed"]
