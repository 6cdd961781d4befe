"""The training step that a run would do next, which ``graph`` and ``trace`` show."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from gradatim.tables.fit.plan import TablePlan
    from gradatim.tables.saved.folder import TableRunFolder

__all__ = ["NextStep", "next_step", "within"]


@dataclass(frozen=True, kw_only=True)
class NextStep:
    """The training that was planned again, with trained weights, and some of its rows.

    The plan makes a new optimizer: a trained model is saved without its own.
    """

    plan: "TablePlan"
    x: "dict[str, Tensor]"
    y: "Tensor"
    notices: list[str]


def next_step(
    run: "TableRunFolder",
    *,
    rows: tuple[int, int],
    data: Path | None = None,
    factory: Callable[..., Any] | None = None,
) -> NextStep:
    """Plan a run's training again, with the trained weights, and take some rows of it.

    They are its training rows from the first of ``rows`` to before the second.

    Raises:
        RunError: The run is one of a loop in Python, or its data file is gone.
        ConfigError: There are no such rows, or the network needs a factory.
    """
    from gradatim.tables.saved.table_run import plan_again

    plan = plan_again(run, data=data, factory=factory)
    chosen = plan.train[slice(*within(rows, len(plan.train)))]
    # The weights, and with them what encodes the rows and scales the target.
    plan.model.load_state_dict(run.load_model(factory).state_dict())
    num_now, num_then = len(plan.train), run.config["rows"]["train"]
    changed = (
        f"the data give {num_now:,} training rows, not the {num_then:,} of the run: "
        "the file has changed, and these may be rows of other places"
    )
    return NextStep(
        plan=plan,
        x=plan.table.select(chosen).x,
        y=plan.targets[chosen],
        notices=[] if num_now == num_then else [changed],
    )


def within(rows: tuple[int, int], num_rows: int) -> tuple[int, int]:
    """Check that there is a first row, and cut what is beyond the last."""
    from gradatim.errors import ConfigError

    first, end = rows
    if first >= num_rows:
        raise ConfigError(
            f"--rows {first}:{end}, but there are {num_rows:,} training rows.\n"
            f"A step needs at least one.\nBegin below {num_rows}."
        )
    return first, min(end, num_rows)
