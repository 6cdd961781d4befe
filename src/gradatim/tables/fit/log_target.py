"""Positive targets whose logarithm is learned, or might better be.

The numbers were chosen by hand, so that few others than skewed amounts are told. Of 200
tables of 500 targets that are lognormal with a deviation of 1, 197 are told, of
exponential ones 1, and none of normal, uniform or counted ones.
"""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from gradatim.errors import ConfigError, DataError
from gradatim.tables.fit.outlying_targets import outliers, place_of
from gradatim.tables.model.score_table import format_score
from gradatim.tables.table import Table

__all__ = ["check_log_target", "skewed_line", "skewness"]

FEWEST_ROWS = 100
SKEWED = 2.5
"""From this skewness on a target is told."""
LOG_SKEWED = 1.0
"""It is told only where its logarithm has less than this, to either side."""
COUNTED = 100.0
"""Whole numbers with a median below this may be counts, whose zeros come with new rows
and whose logarithms lie in few places."""


def check_log_target(table: Table, own: Mapping[str, Tensor]) -> None:
    """Refuse targets that have no logarithm.

    A 0 is refused, too: the logarithm of 1 + y is another function, whose meaning
    depends on the unit of y.

    ``own`` are the rows of the table that come from one of their own, by its option.
    """
    target = table.schema.target
    assert target is not None and table.y is not None
    if target.task != "regression":
        raise ConfigError(
            f"log_target is given, and the target {target.name!r} is a class.\n"
            "Only numbers have a logarithm.\nLeave it out."
        )
    values = table.y.double() + target.origin
    wrong = (values <= 0).nonzero().squeeze(1)
    if len(wrong) == 0:
        return
    first = int(wrong[0])
    more = f", and {len(wrong) - 1:,} more are 0 or less" if len(wrong) > 1 else ""
    raise DataError(
        f"log_target is given, and the target {target.name!r} is "
        f"{format_score(values[first].item())} ({place_of(table, first, own)}){more}.\n"
        "Only numbers above 0 have a logarithm.\n"
        "Correct or delete the rows if they are mistakes, or leave log_target out."
    )


def skewness(values: Float[Tensor, " rows"]) -> float:
    """Give the third moment of standardised values: 0 where both sides are alike.

    >>> import torch
    >>> skewness(torch.tensor([1.0, 2.0, 3.0])), skewness(torch.ones(3))
    (0.0, 0.0)
    """
    centred = values.double() - values.double().mean()
    deviation = centred.square().mean().sqrt()
    if deviation == 0:
        return 0.0
    return float((centred / deviation).pow(3).mean())


def skewed_line(table: Table) -> str:
    """Say that a positive target is skewed and its logarithm is not, if it is so."""
    target, y = table.schema.target, table.y
    if target is None or y is None or target.task != "regression":
        return ""
    if len(y) < FEWEST_ROWS or len(outliers(y)):
        return ""  # what lies apart from all is told by itself
    values = y.double() + target.origin
    if values.min() <= 0:
        return ""
    if bool((values == values.round()).all()) and values.median() < COUNTED:
        return ""
    of_values, of_logs = skewness(values), skewness(values.log())
    if of_values < SKEWED or abs(of_logs) > LOG_SKEWED:
        return ""
    return (
        f"{target.name}: all above 0 and skewed (skewness {of_values:.1f}, of its "
        f"logarithm {of_logs:.1f}), so few large rows decide much of the training: "
        "--log-target learns the logarithm, where errors count by their ratio"
    )
