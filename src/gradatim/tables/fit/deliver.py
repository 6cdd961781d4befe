"""What a trained model answers by, and how wide its intervals are: by validation rows.

Both models, and their mean, are looked at on the rows that were not trained on; the
test rows have no part in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from gradatim.tables.fit.plan import TablePlan
from gradatim.tables.model.baselines import Baselines
from gradatim.tables.model.better import Choice, choose
from gradatim.tables.model.conformal import Conformal, Errors
from gradatim.tables.model.network import ResidualMLP, predict_rows

__all__ = ["Validated", "choose_model", "intervals_of", "val_errors", "validated"]


@dataclass(frozen=True)
class Validated:
    """The validation rows of a training, and how both models answered them."""

    network: Tensor
    linear: Tensor
    targets: Tensor
    weights: Tensor | None


def validated(plan: TablePlan, baselines: Baselines) -> Validated | None:
    """Answer the validation rows by both models.

    A network of the user's own answers in any case, as it was asked for. So does one of
    quantiles: those of the linear model were taken of the errors on these very rows,
    and would look better on them than they are.
    """
    if not isinstance(plan.model.network, ResidualMLP) or len(plan.val) == 0:
        return None
    if plan.model.quantiles:
        return None
    x, weights = plan.table.select(plan.val).x, plan.score_weights(plan.val)
    if plan.config.metric is None and plan.row_weights is not None:
        weights = plan.row_weights[plan.val]  # as `val_loss` counts them
    network, linear = predict_rows(plan.model, x), baselines.answers(x)["linear"]
    return Validated(network, linear, plan.learned_y[plan.val], weights)


def choose_model(plan: TablePlan, vals: Sequence[Validated | None]) -> Choice | None:
    """Choose what answers, by the validation rows of some trainings."""
    parts = [val for val in vals if val is not None]
    if not parts:
        return None
    weights = [part.weights for part in parts if part.weights is not None]
    return choose(
        plan.model.task,
        torch.cat([part.network for part in parts]),
        torch.cat([part.linear for part in parts]),
        torch.cat([part.targets for part in parts]),
        torch.cat(weights) if weights else None,
        metric=plan.config.metric,
        log_target=plan.config.log_target,
    )


def val_errors(
    plan: TablePlan, baselines: Baselines, choice: Choice | None
) -> Errors | None:
    """Give the errors on the validation rows, if intervals are asked for.

    They are those of all that may answer, too.
    """
    if plan.config.interval is None:
        return None
    assert plan.table.y is not None
    x = plan.table.select(plan.val).x
    answers = {**baselines.answers(x), "model": predict_rows(plan.model, x)}
    if choice is not None:
        answers["network"] = predict_rows(plan.model, x, by="network")
        answers["mean"] = predict_rows(plan.model, x, by="mean")
    return Errors.of(answers, plan.table.y[plan.val], plan.score_weights(plan.val))


def intervals_of(
    parts: Sequence[Errors], level: float | None, choice: Choice | None
) -> Conformal | None:
    """Make the intervals of a model that answers by ``choice``, if it has some."""
    if not parts or level is None:
        return None
    conformal = Errors.conformal(parts, level)
    if choice is None:
        return conformal
    widths = dict(conformal.half_widths)
    widths["model"] = widths[choice.by]
    del widths["mean"]
    return replace(conformal, half_widths=widths)
