"""Data files and data frames as Arrow columns, one class for each file format.

``formats`` opens a file by its suffix; ``data_file`` says what every format answers;
``csv``, ``parquet``, ``json_lines``, ``arrow_file`` and ``orc`` are the formats, the
last three read whole (``whole_file``). ``packing`` unpacks, ``text_file`` gives plain
text, and ``structs`` opens columns of structs. ``excel`` reads workbooks; ``reading``
has what is said of files; ``csv_layout``, ``csv_odd_rows`` and ``csv_skipped`` know
what is around a table. ``csv_dialect`` (separator, header, decimal sign), ``csv_types``
(column types), ``csv_read`` (pyarrow, made strict) and ``csv_records`` (lines of
damage) serve ``csv``. ``frames`` has the tables that a Python program holds, and
``python_values`` the values of their columns. ``column_source`` gives columns one by
one; ``float32`` narrows doubles.

``file_list`` says which files a path means, and ``many_files`` reads several.

A new format is one file with a subclass of ``DataFile`` and its entry in
``formats.FORMATS``.
"""
