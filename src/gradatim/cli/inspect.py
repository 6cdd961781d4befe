"""``gradatim inspect``: what a file's columns are, before any training."""

from pathlib import Path

import click

from gradatim.cli.options import max_expand_option
from gradatim.cli.printing import print_json, print_table
from gradatim.text import printable, say

__all__ = ["inspect"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--target", metavar="COLUMN", help="Also tell the task of this column.")
@click.option("--drop", multiple=True, metavar="COLUMN", help="As `fit` has it.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="As `fit` has it.")
@max_expand_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def inspect(
    file: Path,
    target: str | None,
    drop: tuple[str, ...],
    keep: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show what is seen in the columns of FILE, before any training.

    \b
    Example:
      gradatim inspect houses.csv --target price
    """
    from gradatim.tables.files.formats import open_file
    from gradatim.tables.schema.schema import Schema

    table = open_file(file).read()
    schema = Schema.infer(table, target=target, drop=drop, keep=keep)
    if as_json:
        print_json(schema.to_dict())
        return
    name = printable(str(file))
    say(f"{name}: {table.num_rows:,} rows, {table.num_columns} columns\n")
    print_table(
        ["column", "kind", "seen", "what is done with it"],
        schema.describe(),
        text_columns=4,
    )
