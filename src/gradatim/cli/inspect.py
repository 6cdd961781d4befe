"""``gradatim inspect``: what a file's columns are, before any training."""

from pathlib import Path
from typing import Any

import click

from gradatim.cli.column_options import column_options, said_of
from gradatim.cli.options import max_expand_option
from gradatim.cli.printing import print_json, print_notices, print_table
from gradatim.text import printable, say

__all__ = ["inspect"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--target", metavar="COLUMN", help="Also tell the task of this column.")
@click.option("--drop", multiple=True, metavar="COLUMN", help="As `fit` has it.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="As `fit` has it.")
@column_options
@max_expand_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(
    file: Path,
    target: str | None,
    drop: tuple[str, ...],
    keep: tuple[str, ...],
    as_json: bool,
    **choices: Any,
) -> None:
    """Show what is seen in the columns of FILE, before any training.

    \b
    Example:
      gradatim inspect houses.csv --target price
    """
    from gradatim.tables.table import inspect_table

    said = said_of(choices)
    schema, notices = inspect_table(file, target=target, drop=drop, keep=keep, **said)
    print_notices(notices.lines())
    if as_json:
        print_json(schema.to_dict())
        return
    name = printable(str(file))
    num_columns = sum(not column.of for column in schema.columns) + bool(target)
    say(f"{name}: {schema.num_rows:,} rows, {num_columns} columns\n")
    print_table(
        ["column", "kind", "seen", "what is done with it"],
        schema.describe(),
        text_columns=4,
    )
