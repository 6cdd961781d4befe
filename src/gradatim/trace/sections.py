"""What stands in a trace, in order: headings, sentences and tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from gradatim.trace.arithmetic import Arithmetic, Derivative, in_fraction
from gradatim.trace.stats import TensorStats
from gradatim.trace.trace_data import StepData

__all__ = ["Section", "sections_of"]

MOST_LINES = 60
"""Lines of a table; longer ones lose their middle."""
MOST_ROWS = 16
"""Rows of the batch whose numbers are shown."""
MOST_WIDTH = 80
"""Letters in a line of the table of numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A heading, lines before, a table (or none), and lines after it."""

    title: str
    before: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    text_columns: int = 1
    """So many columns from the left are texts; the others are numbers."""
    after: tuple[str, ...] = ()
    is_arithmetic: bool = False
    """Whether those are formulas."""


def sections_of(trace: StepData) -> list[Section]:
    """Put a trace into sections; its title stands in the first."""
    sections = [
        _head(trace),
        _inputs(trace),
        _outputs(trace),
        _loss(trace),
        _gradients(trace),
        _update(trace),
    ]
    if trace.arithmetic is not None:
        sections.append(_numbers(trace.arithmetic))
    if trace.notes:
        sections.append(Section(title="Notes", before=trace.notes))
    return sections


def _head(trace: StepData) -> Section:
    where = (
        "The step was applied: model and optimizer have moved on."
        if trace.applied
        else "Run on a copy: model and optimizer are as they were."
    )
    title = f"One step of {trace.model}: {trace.loss_fn}, {trace.optimizer}"
    return Section(title=title, before=(where,))


def _inputs(trace: StepData) -> Section:
    return _of_tensors(
        "Inputs",
        ["tensor", "shape", "dtype", "device"],
        [
            (each.name, _shape(each.stats.shape), each.stats.dtype, each.stats.device)
            for each in trace.inputs
        ],
        ["min", "max", "mean"],
        [each.stats for each in trace.inputs],
    )


def _outputs(trace: StepData) -> Section:
    often = {each.module for each in trace.outputs if each.call > 1}
    names = []
    for each in trace.outputs:
        call = f" #{each.call}" if each.module in often else ""
        mode = "" if each.training else " (eval)"
        names.append(f"{each.module or '(model)'}{call}{each.part}{mode}")
    return _of_tensors(
        "1. Forward: what each module gives",
        ["module", "class", "shape"],
        [
            (name, each.kind, _shape(each.stats.shape))
            for name, each in zip(names, trace.outputs, strict=True)
        ],
        ["mean", "std", "zeros"],
        [each.stats for each in trace.outputs],
        before=() if trace.outputs else ("No module gave a tensor to a hook.",),
    )


def _of_tensors(
    title: str,
    headers: list[str],
    texts: list[tuple[str, ...]],
    names: list[str],
    all_stats: Sequence[TensorStats],
    before: tuple[str, ...] = (),
) -> Section:
    """Make a table of tensors' numbers; infinite ones are counted if there are any."""
    counts = {"num_nan": "NaN"}
    if any(stats.num_inf for stats in all_stats):
        counts["num_inf"] = "inf"
    rows, reasons = [], []
    for text, stats in zip(texts, all_stats, strict=True):
        if stats.reason:
            reasons.append(f"{text[0]}: {stats.reason}")
        values = [_value(stats, name) for name in names]
        found = ["-" if stats.reason else f"{getattr(stats, c):,}" for c in counts]
        rows.append((*text, *values, *found))
    return Section(
        title=title,
        before=before,
        headers=(*headers, *names, *counts.values()),
        rows=_shortened(rows),
        text_columns=len(headers),
        after=tuple(reasons[:MOST_LINES]),
    )


def _loss(trace: StepData) -> Section:
    lines = [f"loss = {number(trace.loss)}"]
    if trace.num_evaluations > 1:
        lines += [
            f"The optimizer asked for the loss {trace.num_evaluations} times;",
            "outputs, loss and gradients are those of the first time.",
        ]
    if trace.sample_losses is None:
        lines.append(f"Of single rows: {trace.sample_reason}.")
        return Section(title="2. Loss", before=tuple(lines))
    has_pairs = any(each.prediction is not None for each in trace.worst)
    lines.append(
        f"The worst of {len(trace.sample_losses):,} rows:"
        if len(trace.worst) < len(trace.sample_losses)
        else "Row by row, the worst first:"
    )
    return Section(
        title="2. Loss",
        before=tuple(lines),
        headers=("row", "loss", *(["target", "prediction"] if has_pairs else [])),
        rows=tuple(
            (
                str(each.row),
                number(each.loss),
                *([number(each.target), number(each.prediction)] if has_pairs else []),
            )
            for each in trace.worst
        ),
        text_columns=0,
    )


def _gradients(trace: StepData) -> Section:
    has_inf = any(each.grad_num_inf for each in trace.parameters)
    rows = []
    for each in trace.parameters:
        remark = "" if each.status == "trained" else each.status
        if each.grad_norm is None and each.status != "frozen":
            remark = ", ".join(filter(None, [remark, "no gradient"]))
        has_none = each.grad_norm is None
        rows.append(
            (
                each.name,
                _shape(each.shape),
                remark,
                number(each.grad_norm),
                _share(each.grad_zeros),
                "-" if has_none else f"{each.grad_num_nan:,}",
                *(["-" if has_none else f"{each.grad_num_inf:,}"] if has_inf else []),
            )
        )
    after = []
    if trace.grad_norm is not None:
        after.append(
            f"norm of all that are trained, together: {number(trace.grad_norm)}"
        )
    if trace.max_norm is not None:
        is_long = trace.grad_norm is not None and trace.grad_norm > trace.max_norm
        limit = f"max_norm = {trace.max_norm:g}"
        long, short = (
            f"shortened to {limit} for the update",
            f"{limit} leaves it as it is",
        )
        after.append(long if is_long else short)
    return _without_empty(
        Section(
            title="3. Backward: the gradient of each parameter",
            headers=(
                "parameter",
                "shape",
                "remark",
                "norm",
                "zeros",
                "NaN",
                *(["inf"] if has_inf else []),
            ),
            rows=_shortened(rows),
            text_columns=3,
            after=tuple(after),
        )
    )


def _update(trace: StepData) -> Section:
    title = "4. Update: what the optimizer adds to each parameter"
    if trace.skipped is not None:
        return Section(title=title, before=(trace.skipped,))
    rows = [
        (
            each.name,
            number(each.weight_norm),
            number(each.delta_norm),
            number(each.ratio),
        )
        for each in trace.parameters
    ]
    lrs = dict.fromkeys(each.lr for each in trace.parameters if each.lr is not None)
    told = (f"lr = {', '.join(f'{lr:g}' for lr in lrs)}",) if lrs else ()
    return Section(
        title=title,
        before=told,
        headers=("parameter", "|weight|", "|delta|", "|delta| / |weight|"),
        rows=_shortened(rows),
    )


def _without_empty(section: Section) -> Section:
    """Leave out the column of remarks if there are none."""
    place = section.headers.index("remark")
    if any(row[place] for row in section.rows):
        return section
    return Section(
        title=section.title,
        before=section.before,
        headers=section.headers[:place] + section.headers[place + 1 :],
        rows=tuple(row[:place] + row[place + 1 :] for row in section.rows),
        text_columns=section.text_columns - 1,
        after=section.after,
    )


def _numbers(found: Arithmetic) -> Section:
    num_rows = len(found.rows)
    columns = _that_fit(found)
    rows = [
        (str(int(row[0])), *(decimal(row[place]) for place in columns))
        for row in found.rows[:MOST_ROWS]
    ]
    if num_rows > MOST_ROWS:
        rows.append(("...", *("" for _ in columns)))
    means = [
        decimal(sum(row[place] for row in found.rows) / num_rows)
        if place >= found.num_inputs + 3  # from the errors on
        else ""
        for place in columns
    ]
    rows.append(("mean", *means))
    named = [each for each in found.derivatives if not each.factor.startswith("dyhat")]
    slopes = [f"dyhat/d{in_fraction(each.name)} = {each.factor or 1}" for each in named]
    lines = [
        "",
        f"MSE = mean(error^2) = {decimal(found.loss)}",
        "",
        "Chain rule, for each number p: dMSE/dp = mean(-2 * error * dyhat/dp)",
        *slopes,
        "",
        *(_gradient_line(each) for each in found.derivatives),
        "",
        *(_update_line(each) for each in found.derivatives),
    ]
    return Section(
        title="The numbers: error = y - yhat",
        headers=("row", *(found.columns[place] for place in columns)),
        rows=tuple(rows),
        after=tuple(lines),
        is_arithmetic=True,
    )


def _that_fit(found: Arithmetic) -> list[int]:
    """Choose columns that stand beside each other in a terminal."""
    first = found.num_inputs + 1
    inputs, errors = list(range(1, first)), list(range(first, first + 4))
    products = list(range(first + 4, len(found.columns)))
    choices = [inputs + errors + products, errors + products, inputs + errors]
    for columns in choices:
        widths = [max(8, len(found.columns[place])) + 2 for place in columns]
        if len("mean") + sum(widths) <= MOST_WIDTH:
            return columns
    return errors


def _gradient_line(each: Derivative) -> str:
    product = f"{each.factor} * error" if each.factor else "error"
    return (
        f"dMSE/d{in_fraction(each.name)} = -2 * mean({product}) "
        f"= -2 * {decimal(each.mean)} = {decimal(each.gradient)}"
    )


def _update_line(each: Derivative) -> str:
    if each.after is None:
        return f"{each.name}: {decimal(each.before)}, no update"
    if each.lr is None:
        return f"{each.name}: {decimal(each.before)} -> {decimal(each.after)}"
    return (
        f"{each.name}: {decimal(each.before)} - {each.lr:g} * "
        f"{decimal(each.gradient)} = {decimal(each.after)}"
    )


def number(value: float | None) -> str:
    """Write a number with four significant digits.

    >>> number(0.123456), number(2.84), number(0.0), number(1e-9), number(None)
    ('0.1235', '2.840', '0', '1.000e-09', '-')
    """
    if value is None:
        return "-"
    # With # the zeros at the end stay, so that points stand below each other.
    return f"{value:#.4g}".rstrip(".") if value else "0"


def decimal(value: float) -> str:
    """Write a number that sums are done with by hand: four decimals, if that suits.

    >>> decimal(-3.105), decimal(0.0), decimal(0.00012)
    ('-3.1050', '0.0000', '0.00012')
    """
    is_plain = value == 0 or 1e-3 <= abs(value) < 1e5
    return f"{value:.4f}" if is_plain else f"{value:.4g}"


def _share(value: float | None) -> str:
    """Write a share in percent; one that is not quite 0 or 1 does not read as that."""
    if value is None or math.isnan(value):
        return "-"
    if 0 < value < 0.001:
        return "<0.1%"
    if 0.999 < value < 1:
        return ">99.9%"
    return f"{100 * value:.3g}%"


def _value(stats: TensorStats, name: str) -> str:
    value: float | None = getattr(stats, name)
    if name == "zeros":
        return _share(value)
    if value is not None and name in ("min", "max") and "float" not in stats.dtype:
        return f"{value:.4g}"  # a whole number needs no point
    return number(value)


def _shape(shape: tuple[int, ...]) -> str:
    return str(tuple(shape))


def _shortened(rows: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    if len(rows) <= MOST_LINES:
        return tuple(rows)
    half = MOST_LINES // 2
    left_out = f"... {len(rows) - 2 * half:,} more, in to_dict()"
    gap = (left_out, *("" for _ in rows[0][1:]))
    return (*rows[:half], gap, *rows[-half:])
