"""The pitfalls, one file each; ``gradatim doctor --list`` names them.

A file here is found by itself, no list names it. What its class answers is described in
:class:`gradatim.doctor.pitfall.Pitfall`, and its docstring is its page. Two programs
test it: ``tests/doctor/programs/sick/CODE_NAME.py``, and its namesake in ``cured``.
"""
