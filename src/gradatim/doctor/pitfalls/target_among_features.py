from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen

MIN_BATCHES = 3  # chosen by hand, not measured
MIN_SHARE_OF_BATCHES = 0.8  # chosen by hand, not measured


class TargetAmongFeatures(Pitfall):
    """A column of the input is the target itself, or the target scaled.

    What it sees:
        In each of three batches or more the same column equals the target in all rows,
        or, where targets are whole numbers, goes with it in a line to ten digits.

    Why it matters:
        The model copies the column: a loss near 0 in training and in validation, and no
        better than chance where the answer is not known yet.

    Example::

        x = torch.tensor(table.values)                       # with the label's column

    Instead::

        x = torch.tensor(table.drop(columns="label").values)

    Source: scikit-learn, "Common pitfalls": data leakage.
    """

    code = "GT505"
    title = "target among the features"
    severity = "error"

    def find(self, seen: TrainingSeen) -> Findings:
        calls = [c for c in seen.losses if c.grad and c.facts]
        leaks = [c for c in calls if "leak_column" in c.facts]
        columns = {c.facts["leak_column"] for c in leaks}
        least = max(MIN_BATCHES, MIN_SHARE_OF_BATCHES * len(calls))
        if len(leaks) < least or len(columns) != 1:
            return
        column, rows = int(columns.pop()), leaks[0].input.shape[0]
        is_equal = all(c.facts["leak_equal"] for c in leaks)
        how = "equals the target" if is_equal else "is the target, moved and scaled,"
        yield self.finding(
            verdict=f"Column {column} of the input {how} in every row.",
            evidence=f"in all {rows} rows of each of {len(leaks)} batches",
            cure=f"leave column {column} out of the input",
            line=leaks[0].line,
        )
