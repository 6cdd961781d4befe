"""What stands in a trace, in order: headings, sentences and tables."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gradatim.trace.arithmetic import Arithmetic, Derivative, in_fraction
from gradatim.trace.trace_data import Input, ModuleOutput, ParameterTrace, StepData

__all__ = ["Section", "sections_of"]

# These were chosen by hand, not measured.
MAX_TABLE_ROWS = 60  # A longer table loses its middle.
MAX_ARITHMETIC_ROWS = 16  # So many rows of the batch are written out.
MAX_WIDTH_LETTERS = 80  # The width of the table of numbers in a terminal.

Columns = dict[str, Callable[[Any], str]]
"""For each column of a table its header, and what stands there for an item."""


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
    makers = (_head, _inputs, _outputs, _loss, _gradients, _update)
    sections = [make(trace) for make in makers]
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
    texts: Columns = {
        "tensor": lambda tensor: tensor.name,
        "shape": lambda tensor: str(tensor.stats.shape),
        "dtype": lambda tensor: tensor.stats.dtype,
        "device": lambda tensor: tensor.stats.device,
    }
    return _tensors("Inputs", trace.inputs, texts, ("min", "max", "mean"))


def _outputs(trace: StepData) -> Section:
    called_again = {output.module for output in trace.outputs if output.call > 1}

    def name(output: ModuleOutput) -> str:
        call = f" #{output.call}" if output.module in called_again else ""
        mode = "" if output.training else " (eval)"
        return f"{output.module or '(model)'}{call}{output.part}{mode}"

    texts: Columns = {
        "module": name,
        "class": lambda output: output.kind,
        "shape": lambda output: str(output.stats.shape),
    }
    title = "1. Forward: what each module gives"
    before = () if trace.outputs else ("No module gave a tensor to a hook.",)
    return _tensors(title, trace.outputs, texts, ("mean", "std", "zeros"), before)


def _tensors(
    title: str,
    tensors: Sequence[Input] | Sequence[ModuleOutput],
    texts: Columns,
    statistics: Sequence[str],
    before: Sequence[str] = (),
) -> Section:
    """Make a table of tensors: texts, whose first one names a tensor, and statistics.

    ``statistics`` are fields of :class:`TensorStats`.
    """
    numbers: Columns = {field: partial(_statistic, field) for field in statistics}
    numbers["NaN"] = partial(_statistic, "num_nan")
    if any(tensor.stats.num_inf for tensor in tensors):
        numbers["inf"] = partial(_statistic, "num_inf")
    name = next(iter(texts.values()))
    after = [f"{name(t)}: {t.stats.reason}" for t in tensors if t.stats.reason]
    return _table(
        title, tensors, texts, numbers, before=before, after=after[:MAX_TABLE_ROWS]
    )


def _table(
    title: str,
    items: Sequence[Any],
    texts: Columns,
    numbers: Columns,
    *,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
) -> Section:
    """Make a section with a table that has a row for each item.

    The middle of a long table is replaced by a row that counts what is left out.
    """
    columns = {**texts, **numbers}
    rows = [tuple(cell(item) for cell in columns.values()) for item in items]
    if len(rows) > MAX_TABLE_ROWS:
        half = MAX_TABLE_ROWS // 2
        left_out = f"... {len(rows) - 2 * half:,} more, in to_dict()"
        gap = (left_out, *("" for _ in rows[0][1:]))
        rows = [*rows[:half], gap, *rows[-half:]]
    return Section(
        title=title,
        before=tuple(before),
        headers=tuple(columns),
        rows=tuple(rows),
        text_columns=len(texts),
        after=tuple(after),
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
    lines.append(
        f"The worst of {len(trace.sample_losses):,} rows:"
        if len(trace.worst) < len(trace.sample_losses)
        else "Row by row, the worst first:"
    )
    columns: Columns = {
        "row": lambda sample: str(sample.row),
        "loss": lambda sample: number(sample.loss),
    }
    if any(sample.prediction is not None for sample in trace.worst):
        columns["target"] = lambda sample: number(sample.target)
        columns["prediction"] = lambda sample: number(sample.prediction)
    return _table("2. Loss", trace.worst, {}, columns, before=lines)


def _gradients(trace: StepData) -> Section:
    texts: Columns = {
        "parameter": lambda parameter: parameter.name,
        "shape": lambda parameter: str(parameter.shape),
    }
    if any(map(_remark, trace.parameters)):
        texts["remark"] = _remark
    numbers: Columns = {
        "norm": lambda parameter: number(parameter.grad_norm),
        "zeros": lambda parameter: _share(parameter.grad_zeros),
        "NaN": lambda parameter: _count(parameter.grad_num_nan, parameter.grad_norm),
    }
    if any(parameter.grad_num_inf for parameter in trace.parameters):
        numbers["inf"] = lambda p: _count(p.grad_num_inf, p.grad_norm)
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
    return _table(title, trace.parameters, texts, numbers, after=after)


def _count(count: int, norm: float | None) -> str:
    """Write how many numbers of a gradient are NaN or infinite, if there is one."""
    return "-" if norm is None else f"{count:,}"


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
    numbers: Columns = {
        "|weight|": lambda parameter: number(parameter.weight_norm),
        "|delta|": lambda parameter: number(parameter.delta_norm),
        "|delta| / |weight|": lambda parameter: number(parameter.ratio),
    }
    texts: Columns = {"parameter": lambda parameter: parameter.name}
    lrs = dict.fromkeys(p.lr for p in trace.parameters if p.lr is not None)
    before = [f"lr = {', '.join(f'{lr:g}' for lr in lrs)}"] if lrs else []
    return _table(title, trace.parameters, texts, numbers, before=before)


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
    return Section(
        title="The numbers: error = y - yhat",
        headers=("row", *(arithmetic.columns[place] for place in columns)),
        rows=tuple(rows),
        after=(
            "",
            f"MSE = mean(error^2) = {decimal(arithmetic.loss)}",
            "",
            "Chain rule, for each number p: dMSE/dp = mean(-2 * error * dyhat/dp)",
            *slopes,
            "",
            *map(_gradient_line, derivatives),
            "",
            *map(_update_line, derivatives),
        ),
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
    return (
        f"dMSE/d{in_fraction(derivative.name)} = -2 * mean({derivative.product}) "
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


def _statistic(field: str, tensor: Input | ModuleOutput) -> str:
    """Write one of the statistics of a tensor."""
    value: float | None = getattr(tensor.stats, field)
    if field == "zeros":
        return _share(value)
    if field in ("num_nan", "num_inf"):
        return "-" if tensor.stats.reason else f"{value:,}"
    is_whole = value is not None and "float" not in tensor.stats.dtype
    if is_whole and field in ("min", "max"):
        return f"{value:.4g}"  # A whole number needs no point.
    return number(value)
