"""One training step seen whole: inputs, outputs, loss, gradients, update.

``trace_step`` runs one real update, on a copy of the model, and returns a
``StepTrace``. It prints as text, a notebook shows it as HTML, and ``to_dict`` gives
everything as JSON has it. It is for learners who want to see the numbers of a step, and
for anyone who asks which parameter got no gradient, or where a NaN began.

Its parts, in the order to read them. Each one imports only from those above it:

- ``stats``: shape, range, mean, zeros and NaN of one tensor.
- ``arithmetic``: the numbers of a small model's step, as one would write them by hand.
- ``trace_data``: all that is known about a step. No drawing.
- ``sections``: a trace as headings, sentences and tables; ``text`` and ``html`` write
  them.
- ``step_trace``: the class ``StepTrace``, with the methods that users call.
- ``names``: names for tensors inside a batch, and for parameters.
- ``sample_losses``: the loss of each row.
- ``copies``: a copy of model, loss, optimizer and batch.
- ``observations``: what is noted while the step runs.
- ``step``: the function ``trace_step``.

What it must never do: leave a mark on the user's model, optimizer, gradients or random
numbers (unless ``apply=True`` asks for the update), or show a number that is not the
step's own.
"""

from gradatim.trace.step import trace_step
from gradatim.trace.step_trace import StepTrace

__all__ = ["StepTrace", "trace_step"]
