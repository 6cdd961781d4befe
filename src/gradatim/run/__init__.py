"""A run: a folder with everything of one training, from which it goes on bit for bit.

``gradatim.Run`` is what users see. It serves a loop of one's own and, as a callback, a
trainer. Its parts, in reading order:

- ``run``: the class, its options, and what serves a trainer as a callback.
- ``own_loop``: what serves a loop of one's own.
- ``session``: what both need of one process: begin or go on, save, end.
- ``stateful``: the two methods that a run asks of all that it saves.
- ``tracked``: what a run saves by names, a train step by its parts; ``groups``: which
  parameters an optimizer holds; ``generators``: random generators of a loop's own.
- ``untracked``: what a loop moves and does not track, refused by name. ``loose`` finds
  it among the loop's variables, ``strangers`` hears of optimizers, and ``noted`` keeps
  digests of what is not saved, for the next process.
- ``broken_off``: what an error kept a training from doing.
- ``finite``: no weights that are NaN are saved.
- ``choices``: what was chosen, as JSON has it, to be compared when the run goes on.
- ``fingerprint``: what the last bits depend on beside choices and data, and how changes
  are told or refused.
- ``why_inexact``: why a resume is said not to be exact.
- ``checkpoint`` and ``checkpoint_header``: the folders of a run's checkpoints, and what
  each says of itself.
- ``putting_back``: guards around PyTorch's objects while they take their states.
- ``folder`` and ``config_file``: a run as commands find and read it.
- ``module_file``: the weights of any module on the disk.

A run never opens the state of another object: the object gives its state, and takes it
back. It never begins anew over what may be saved, never goes on with changed data,
model or choices unless that was accepted, and never says that a resume is exact when it
knows of something that is not saved. All files are written by ``gradatim.store``.
"""
