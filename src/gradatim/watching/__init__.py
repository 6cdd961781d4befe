"""The events of any PyTorch loop, as the doctor reads them."""

from gradatim.watching.patches import installed
from gradatim.watching.recorder import Recorder
from gradatim.watching.seen import Seen

__all__ = ["Recorder", "Seen", "installed"]
