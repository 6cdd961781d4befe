"""What stands in a trace, in order: headings, sentences and tables."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradatim.trace.arithmetic import Arithmetic, Derivative, in_fraction
from gradatim.trace.stats import TensorStats
from gradatim.trace.trace_data import ModuleOutput, ParameterTrace, StepData

__all__ = ["Section", "sections_of"]

MAX_TABLE_ROWS = 60
"""A longer table loses its middle; chosen by hand, not measured."""
MAX_ARITHMETIC_ROWS = 16
"""So many rows of the batch are written out; chosen by hand, not measured."""
MAX_WIDTH_LETTERS = 80
"""The width of the table of numbers in a terminal; chosen by hand, not measured."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A heading, lines before a table, the table (or none), and lines after it."""

    title: str
    before: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    text_columns: int = 1
    """So many columns from the left are texts; the others are numbers."""
    after: tuple[str, ...] = ()
    is_arithmetic: bool = False
    """Whether the lines after the table are formulas."""


def sections_of(trace: StepData) -> list[Section]:
    """Put a trace into sections; the first one has the title of the whole."""
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
    all_stats = [tensor.stats for tensor in trace.inputs]
    texts = {
        "tensor": [tensor.name for tensor in trace.inputs],
        "shape": [str(stats.shape) for stats in all_stats],
        "dtype": [stats.dtype for stats in all_stats],
        "device": [stats.device for stats in all_stats],
    }
    return _tensors("Inputs", texts, ["min", "max", "mean"], all_stats)


def _outputs(trace: StepData) -> Section:
    called_again = {output.module for output in trace.outputs if output.call > 1}
    all_stats = [output.stats for output in trace.outputs]
    texts = {
        "module": [_output_name(output, called_again) for output in trace.outputs],
        "class": [output.kind for output in trace.outputs],
        "shape": [str(stats.shape) for stats in all_stats],
    }
    return _tensors(
        "1. Forward: what each module gives",
        texts,
        ["mean", "std", "zeros"],
        all_stats,
        before=() if trace.outputs else ("No module gave a tensor to a hook.",),
    )


def _output_name(output: ModuleOutput, called_again: set[str]) -> str:
    call = f" #{output.call}" if output.module in called_again else ""
    mode = "" if output.training else " (eval)"
    return f"{output.module or '(model)'}{call}{output.part}{mode}"


def _tensors(
    title: str,
    texts: Mapping[str, Sequence[str]],
    statistics: Sequence[str],
    all_stats: Sequence[TensorStats],
    before: tuple[str, ...] = (),
) -> Section:
    """Make a table of tensors and their statistics.

    Args:
        title: The heading.
        texts: The columns of text, by header; the first one names the tensors.
        statistics: Fields of :class:`TensorStats`, a column for each.
        all_stats: The statistics of each tensor.
        before: Lines before the table.
    """
    columns = dict(texts)
    for field in statistics:
        columns[field] = [_statistic(stats, field) for stats in all_stats]
    counts = {"NaN": "num_nan"}
    if any(stats.num_inf for stats in all_stats):
        counts["inf"] = "num_inf"
    for header, field in counts.items():
        columns[header] = [
            "-" if stats.reason else f"{getattr(stats, field):,}" for stats in all_stats
        ]
    names = next(iter(texts.values()))
    reasons = [
        f"{name}: {stats.reason}"
        for name, stats in zip(names, all_stats, strict=True)
        if stats.reason
    ]
    after = reasons[:MAX_TABLE_ROWS]
    return _table(title, columns, len(texts), before=before, after=after)


def _table(
    title: str,
    columns: Mapping[str, Sequence[str]],
    text_columns: int,
    *,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
) -> Section:
    """Make a section from the columns of its table, by header."""
    return Section(
        title=title,
        before=tuple(before),
        headers=tuple(columns),
        rows=_shortened(list(zip(*columns.values(), strict=True))),
        text_columns=text_columns,
        after=tuple(after),
    )


def _shortened(rows: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Replace the middle of a long table by a row that counts what is left out."""
    if len(rows) <= MAX_TABLE_ROWS:
        return tuple(rows)
    half = MAX_TABLE_ROWS // 2
    left_out = f"... {len(rows) - 2 * half:,} more, in to_dict()"
    gap = (left_out, *("" for _ in rows[0][1:]))
    return (*rows[:half], gap, *rows[-half:])


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
    lines.append(
        f"The worst of {len(trace.sample_losses):,} rows:"
        if len(trace.worst) < len(trace.sample_losses)
        else "Row by row, the worst first:"
    )
    columns = {
        "row": [str(sample.row) for sample in trace.worst],
        "loss": [number(sample.loss) for sample in trace.worst],
    }
    if any(sample.prediction is not None for sample in trace.worst):
        columns["target"] = [number(sample.target) for sample in trace.worst]
        columns["prediction"] = [number(sample.prediction) for sample in trace.worst]
    return _table("2. Loss", columns, 0, before=lines)


def _gradients(trace: StepData) -> Section:
    parameters = trace.parameters
    columns = {
        "parameter": [parameter.name for parameter in parameters],
        "shape": [str(parameter.shape) for parameter in parameters],
    }
    remarks = [_remark(parameter) for parameter in parameters]
    if any(remarks):
        columns["remark"] = remarks
    text_columns = len(columns)
    columns["norm"] = [number(parameter.grad_norm) for parameter in parameters]
    columns["zeros"] = [_share(parameter.grad_zeros) for parameter in parameters]
    counts = {"NaN": [parameter.grad_num_nan for parameter in parameters]}
    if any(parameter.grad_num_inf for parameter in parameters):
        counts["inf"] = [parameter.grad_num_inf for parameter in parameters]
    for header, numbers in counts.items():
        columns[header] = [
            "-" if parameter.grad_norm is None else f"{count:,}"
            for parameter, count in zip(parameters, numbers, strict=True)
        ]
    after = []
    if trace.grad_norm is not None:
        after.append(
            f"norm of all that are trained, together: {number(trace.grad_norm)}"
        )
    if trace.max_norm is not None:
        limit = f"max_norm = {trace.max_norm:g}"
        is_long = trace.grad_norm is not None and trace.grad_norm > trace.max_norm
        after.append(
            f"shortened to {limit} for the update"
            if is_long
            else f"{limit} leaves it as it is"
        )
    title = "3. Backward: the gradient of each parameter"
    return _table(title, columns, text_columns, after=after)


def _remark(parameter: ParameterTrace) -> str:
    """Say what is unusual about a parameter; nothing if it is trained."""
    status = "" if parameter.status == "trained" else parameter.status
    if parameter.grad_norm is None and parameter.status != "frozen":
        return ", ".join(filter(None, [status, "no gradient"]))
    return status


def _update(trace: StepData) -> Section:
    title = "4. Update: what the optimizer adds to each parameter"
    if trace.skipped is not None:
        return Section(title=title, before=(trace.skipped,))
    parameters = trace.parameters
    columns = {
        "parameter": [parameter.name for parameter in parameters],
        "|weight|": [number(parameter.weight_norm) for parameter in parameters],
        "|delta|": [number(parameter.delta_norm) for parameter in parameters],
        "|delta| / |weight|": [number(parameter.ratio) for parameter in parameters],
    }
    lrs = dict.fromkeys(p.lr for p in parameters if p.lr is not None)
    before = [f"lr = {', '.join(f'{lr:g}' for lr in lrs)}"] if lrs else []
    return _table(title, columns, 1, before=before)


def _numbers(arithmetic: Arithmetic) -> Section:
    """Write out the arithmetic of a small model's step."""
    num_rows = len(arithmetic.rows)
    columns = _columns_that_fit(arithmetic)
    rows = [
        (str(int(row[0])), *(decimal(row[place]) for place in columns))
        for row in arithmetic.rows[:MAX_ARITHMETIC_ROWS]
    ]
    if num_rows > MAX_ARITHMETIC_ROWS:
        rows.append(("...", *("" for _ in columns)))
    first_error = arithmetic.num_inputs + 3
    means = [
        decimal(sum(row[place] for row in arithmetic.rows) / num_rows)
        if place >= first_error
        else ""
        for place in columns
    ]
    rows.append(("mean", *means))
    derivatives = arithmetic.derivatives
    slopes = [
        f"dyhat/d{in_fraction(derivative.name)} = {derivative.factor or 1}"
        for derivative in derivatives
        if not derivative.factor.startswith("dyhat")
    ]
    lines = [
        "",
        f"MSE = mean(error^2) = {decimal(arithmetic.loss)}",
        "",
        "Chain rule, for each number p: dMSE/dp = mean(-2 * error * dyhat/dp)",
        *slopes,
        "",
        *map(_gradient_line, derivatives),
        "",
        *map(_update_line, derivatives),
    ]
    return Section(
        title="The numbers: error = y - yhat",
        headers=("row", *(arithmetic.columns[place] for place in columns)),
        rows=tuple(rows),
        after=tuple(lines),
        is_arithmetic=True,
    )


def _columns_that_fit(arithmetic: Arithmetic) -> list[int]:
    """Choose the columns that stand beside each other in a terminal."""
    first = arithmetic.num_inputs + 1
    inputs, errors = list(range(1, first)), list(range(first, first + 4))
    products = list(range(first + 4, len(arithmetic.columns)))
    for columns in [inputs + errors + products, errors + products, inputs + errors]:
        widths = [max(8, len(arithmetic.columns[place])) + 2 for place in columns]
        if len("mean") + sum(widths) <= MAX_WIDTH_LETTERS:
            return columns
    return errors


def _gradient_line(derivative: Derivative) -> str:
    factor = derivative.factor
    product = f"{factor} * error" if factor else "error"
    return (
        f"dMSE/d{in_fraction(derivative.name)} = -2 * mean({product}) "
        f"= -2 * {decimal(derivative.mean)} = {decimal(derivative.gradient)}"
    )


def _update_line(derivative: Derivative) -> str:
    start = f"{derivative.name}: {decimal(derivative.before)}"
    if derivative.after is None:
        return f"{start}, no update"
    end = decimal(derivative.after)
    if derivative.lr is None:
        return f"{start} -> {end}"
    return f"{start} - {derivative.lr:g} * {decimal(derivative.gradient)} = {end}"


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
    """Write a number for sums by hand: with four decimals, if that shows it well.

    >>> decimal(-3.105), decimal(0.0), decimal(0.00012)
    ('-3.1050', '0.0000', '0.00012')
    """
    is_plain = value == 0 or 1e-3 <= abs(value) < 1e5
    return f"{value:.4f}" if is_plain else f"{value:.4g}"


def _share(value: float | None) -> str:
    """Write a share in percent; one that is not quite 0 or 1 is not written as that."""
    if value is None or math.isnan(value):
        return "-"
    if 0 < value < 0.001:
        return "<0.1%"
    if 0.999 < value < 1:
        return ">99.9%"
    return f"{100 * value:.3g}%"


def _statistic(stats: TensorStats, field: str) -> str:
    """Write one of the statistics of a tensor."""
    value: float | None = getattr(stats, field)
    if field == "zeros":
        return _share(value)
    if value is not None and field in ("min", "max") and "float" not in stats.dtype:
        return f"{value:.4g}"  # A whole number needs no point.
    return number(value)
