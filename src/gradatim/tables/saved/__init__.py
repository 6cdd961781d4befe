"""A table's run on the disk: begun, gone on with, and used for new rows.

``folder`` is the run's folder and ``table_run`` the training in it; ``model_files`` is
the model within; ``predict`` and ``evaluate`` answer and score the rows of a file.
``predictor`` answers rows in Python, and ``fit_data`` has ``gradatim.fit``.
"""
