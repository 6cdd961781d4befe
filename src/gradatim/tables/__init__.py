"""Tables: from a file with columns to a trained model that answers new raw rows.

**Parts, in reading order**, each of which imports only those before it:

- ``files/`` turns CSV, Parquet and data frames into Arrow columns, strictly.
- ``schema/`` says what each column is, and turns **values into codes**: float32 for
  numbers, int64 for categories and times, int16 for texts. A schema is made once, from
  all rows of the training file, and then frozen.
- ``table.py`` is a file or data frame as tensors of codes, with its schema.
- ``features.py`` (for texts ``text_features.py``) turns **codes into features**
  (imputed, scaled, embedded) with statistics of the training rows alone. It is a module
  inside the model, so what cleans the data travels with the weights.
- ``model/`` has the network, the linear models and the scores.
- ``fit/`` splits the rows, chooses loss, optimizer and sizes in a plan, and trains.
- ``saved/`` is the run's folder: the model's files, predictions, evaluation.

Walk 2 in ``docs/inside.md`` follows a CSV file through all of them, from ``gradatim
fit`` to ``gradatim predict``. Columns come one by one (a ``ColumnSource``), so that the
table is in memory once.

**What it must never do.** Guess a column's type or meaning anew from a file to predict.
Take a statistic, a choice or a score from rows that were not meant for it: validation
and test rows are not trained on, and nothing is chosen by test rows. Read a damaged
file, an unseen kind of value or a missing column in silence; unseen categories are the
exception: they have a code of their own, and are counted and reported. Lose digits:
large integers and times are subtracted in 64 bits before they become float32. Import or
run code that a file names. Hold a file to predict in memory as a whole.
"""
