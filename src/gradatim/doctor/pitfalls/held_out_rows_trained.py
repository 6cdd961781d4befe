from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen

MIN_ROWS = 8  # chosen by hand, not measured
MIN_SHARE_OF_ROWS = 0.1  # chosen by hand, not measured


class HeldOutRowsTrained(Pitfall):
    """Rows are in the training set and in the one for validation.

    What it sees:
        Rows equal to the last bit, with two fractions or more in each, that the model
        was trained on and that are evaluated where the user's names say validation or
        test.

    Why it matters:
        The model knows the answers. With half of the rows shared, a score of 0.70 on
        new rows is reported as 0.85 by a model that learned its own by heart.

    Example::

        x_train, x_val = x[:800], x[600:]

    Instead::

        x_train, x_val = x[:800], x[800:]

    Source: imbalanced-learn, "Common pitfalls": split before oversampling.
    """

    code = "GT502"
    title = "same rows in training and validation"
    severity = "error"

    def find(self, seen: TrainingSeen) -> Findings:
        for model in seen.models:
            rows = model.rows
            both = rows.trained & rows.held_out
            if len(both) < max(MIN_ROWS, MIN_SHARE_OF_ROWS * len(rows.held_out)):
                continue
            yield self.finding(
                verdict="Rows that are held out are also trained on.",
                evidence=f"{len(both):,} of {len(rows.held_out):,} different rows that "
                f"were evaluated are among {len(rows.trained):,} of training, bit for "
                "bit",
                cure="split the indices once, before anything is drawn or repeated: "
                "order = torch.randperm(len(x)); train, val = order[:k], order[k:]",
                line=rows.held_out_line,
            )
