"""One training step seen whole: inputs, outputs, loss, gradients, update.

``trace_step`` runs the update, on a copy, and gives a ``StepTrace``, which prints as
text, is shown as HTML in a notebook, and gives everything as a dict.
"""

from gradatim.trace.step import trace_step
from gradatim.trace.step_trace import StepTrace

__all__ = ["StepTrace", "trace_step"]
