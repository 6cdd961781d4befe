"""How the doctor reads the user's source code: syntax trees, never executed.

A watch says *that* something happened and in which line. Some pitfalls must also know
what is written there: whether ``(p == y)`` ends in ``mean()``, whether a table is
sorted after its target was taken from it, where an attribute of a model is made.

In reading order: :mod:`.syntax` parses a file once and finds its functions and names;
:mod:`.expressions` follows one expression outwards and inwards; :mod:`.assignments`
finds where a part of a model is made; :mod:`.pandas_order` knows what moves the rows of
a pandas table. A file that cannot be read or parsed has an empty tree: a pitfall then
knows less and stays silent.
"""
