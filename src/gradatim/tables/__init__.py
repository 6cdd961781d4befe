"""Tables: from a file with columns to a trained model that answers new raw rows.

**Parts, in reading order**, each of which imports only those before it:

- ``files/`` turns CSV, Parquet and data frames into Arrow columns, strictly.
- ``schema/`` says what each column is, and turns **values into codes**: float32 for
  numbers, int64 for categories and times. A schema is made once, from all rows of the
  training file, and then frozen.
- ``table.py`` is a file or data frame as tensors of codes, with its schema.
- ``features.py`` turns **codes into features** (imputed, scaled, embedded) with
  statistics of the training rows alone. It is a module inside the model, so what cleans
  the data travels with the weights.
- ``model/`` has the network, the linear models and the scores.
- ``fit/`` splits the rows, chooses loss, optimizer and sizes in a plan, and trains.
- ``saved/`` is the run's folder: the model's files, predictions, evaluation.

**The way of a CSV.** ``gradatim fit houses.csv --target price`` reads the file with
``table.read_table``: ``files.formats.open_file`` finds its format,
``files.csv_dialect`` its separator and names, ``files.csv_types`` its columns' types.
The columns come one by one (a ``ColumnSource``), so that the table is in memory once.
``schema.infer_schema`` asks ``schema.column_kinds`` what each column is and
``schema.targets`` what is to be predicted, and refuses a feature that is the target
under another name; ``schema.values_to_codes`` makes the tensors. ``fit.plan`` splits
the rows and makes the model; ``saved.folder`` begins the run's folder, and
``saved.table_run`` trains in it: ``fit.fit`` trains with the ``Trainer`` and scores on
the test rows; ``saved.model_files`` gives the files of the model. ``gradatim predict
new.csv`` reads the new rows strictly as the schema has them and ``saved.predict``
writes an answer for each, batch by batch.

**What it must never do.** Guess a column's type or meaning anew from a file to predict.
Take a statistic, a choice or a score from rows that were not meant for it: validation
and test rows are not trained on, and nothing is chosen by test rows. Read a damaged
file, an unseen kind of value or a missing column in silence; unseen categories are the
exception: they have a code of their own, and are counted and reported. Lose digits:
large integers and times are subtracted in 64 bits before they become float32. Import or
run code that a file names. Hold a file to predict in memory as a whole.
"""
