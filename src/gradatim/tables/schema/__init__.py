"""What is known of a table's columns, and how their values become codes by it.

``columns`` has what a schema stores; ``column_kinds`` tells what a column is and
``targets`` what is to be predicted; ``infer_schema`` goes over a whole table;
``values_to_codes`` makes tensors of values and ``value_notices`` counts what was
unusual among them; ``calendar`` takes times apart; ``schema`` is all of it, frozen.
"""
