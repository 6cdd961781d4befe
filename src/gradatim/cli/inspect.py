"""``gradatim inspect``: what a file's columns are, before any training."""

from pathlib import Path
from typing import Any

import click

from gradatim.cli.column_options import said_of, said_options, target_option
from gradatim.cli.options import max_expand_option, reading_of, reading_options
from gradatim.cli.printing import print_json, print_notices, print_table
from gradatim.text import printable, say

__all__ = ["inspect"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@target_option
@click.option("--drop", multiple=True, metavar="COLUMN", help="As `fit` has it.")
@click.option("--keep", multiple=True, metavar="COLUMN", help="As `fit` has it.")
@said_options
@max_expand_option
@reading_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--edit",
    type=click.Path(path_type=Path),
    metavar="NEW.json",
    help="Write what is seen, to be changed and given to `fit --schema`.",
)
def inspect(
    file: Path,
    target: str | None,
    drop: tuple[str, ...],
    keep: tuple[str, ...],
    as_json: bool,
    edit: Path | None,
    **choices: Any,
) -> None:
    """Show what is seen in the columns of FILE, before any training.

    \b
    Examples:
      gradatim inspect houses.csv --target price
      gradatim inspect houses.csv --target price --edit columns.json
    """
    from gradatim.store.output import write_output
    from gradatim.tables.schema.choices import ColumnChoices
    from gradatim.tables.schema.edited import edit_text
    from gradatim.tables.table import inspect_table

    reading = reading_of(choices)
    said: dict[str, Any] = said_of(choices)
    if edit is not None and edit.exists():
        raise click.UsageError(
            f"--edit {edit}: the file exists, perhaps with changes of yours. "
            "Name another one."
        )
    schema, notices = inspect_table(
        file,
        target=target,
        drop=drop,
        keep=keep,
        **reading,
        **said,
    )
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
    if edit is not None:
        names = [column.name for column in schema.columns]
        named = ColumnChoices.of([*names, *([target] if target else [])], said)
        write_output(edit, edit_text(schema, [*named.kinds, *drop, *keep]))
        place = printable(str(edit))
        say(
            f"\nwritten: {place}. Change it, then: gradatim fit {name} --schema {place}"
        )
