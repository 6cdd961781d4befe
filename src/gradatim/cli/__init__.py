"""The command line: ``gradatim COMMAND``, one file per command.

**Parts, in reading order.** ``main`` is the program: it finds the command, turns errors
into one message without a traceback, and gives the exit code (0; 1 it failed; 2 it was
called wrongly; 130 and 143 it was stopped). A command is a file of its own name:
``fit``, ``resume``, ``predict``, ``evaluate``, ``inspect`` and ``show`` for tables and
runs, ``graph``, ``trace`` and ``doctor`` for looking into training, ``learn`` and
``ladder`` for the course. What several commands need is in ``options`` (options, and
the run that is meant), ``printing`` (tables, scores, JSON, notes), ``user_code`` (a
factory or file that the user names) and ``next_step`` (what ``graph`` and ``trace``
look at).

**To add a command.** Write ``cli/NAME.py`` with a function ``NAME`` under
``@click.command()``; its docstring is its help. Add its name and one line to
``main.COMMANDS``. Let the function call a package that does the work, print what comes
back, and return the exit code, or nothing for 0. Add ``tests/cli/test_NAME.py``.

**What it must never do.** No command computes anything itself. Nothing heavy is
imported before a command is called, so that help takes under 0.3 s: imports of torch
stand inside functions. Results go to standard output, notes to standard error, so that
output can be piped. Nothing that a file holds is imported; only what the user names on
the command line is.
"""
