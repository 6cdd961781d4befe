"""Durable files: written whole or not at all, and checked when they are read.

Everything that must survive a kill, a power cut or a copy to another machine is written
and read here: the checkpoints, configuration and history of a run, and models. This
package knows nothing of training, and it must never run, import or look up anything
that a file names.

Its parts, in reading order:

- ``disk``: bytes that are on the disk when a call returns, and all atomic writes.
- ``output``: the same for a file that a user names, which may be a link or a device.
- ``json``: strict JSON with bounds.
- ``checks``: what a value that was read may be.
- ``pack``: state of any shape, taken apart into JSON and tensors.
- ``tensors``: tensors in the format of safetensors.
- ``manifest``: folders and files that carry the digests of their contents.
- ``lines``: a file of JSON lines that is only ever added to.
- ``lock``: one writer at a time.

What is distrusted, and why
---------------------------

A digest shows that a file is as it was written, and so finds damage. It does not show
who wrote it: somebody who knows the format can change a file and make every digest
right again, and a run folder may come from a stranger. So a file that passes its
digests is still distrusted. It must not be able to run code, to take memory or time
beyond a bound, to reach a file outside of its folder, or to make PyTorch read or write
outside of a tensor. ``tests/faults/hostile.py`` makes such files. The guards, one a
line:

- ``disk.opened``: a link, or a named pipe in place of a file, is not followed.
- ``json``: the number of bytes, the number of values, the depth and the size of numbers
  are bounded before memory is asked for: Python's own reader takes what there is. A key
  that stands twice is refused, as readers differ in which of its values counts.
- ``pack``: only the kinds in its tables are made, so no name in a file is looked up.
  The keys of a dict whose hashes are equal are bounded: comparing them takes time that
  grows with the square of their number.
- ``tensors``: the header's names, fields and shapes are checked here, as the library
  lets a name stand twice and passes over fields that it does not know.
- ``manifest``: names of files have no separator in them, and sizes are bounded by the
  memory of the machine.
- ``gradatim.rng``: a generator's state holds an index into its own numbers. Neither
  torch nor NumPy checks it, and a wrong one reads past the buffer.
- ``gradatim.run.putting_back``: torch's optimizers and schedules take any state. A
  method may be replaced by a value, and a fused update writes past a state that is too
  short.
- ``gradatim.run.stateful.Gradients``: a sparse gradient's indices are followed without
  a check unless torch is told to make one.
- ``gradatim.tables.saved.model_files``: the shapes that a description claims are
  compared with those of the weights before memory is asked for.
"""
