"""From a table to a trained model with honest scores beside it.

``config`` has the choices, ``plan`` what follows from them for one table (rows, model,
loss, optimizer, schedule), ``fit`` trains a plan and scores it; ``the_line`` makes the
plan of the tutorial's line.
"""
