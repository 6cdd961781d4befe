"""A limit of time ends a training in time, and changes no bit of what comes before."""

import pytest

from gradatim.errors import ConfigError
from gradatim.interrupt import OUT_OF_TIME
from gradatim.tables.fit.config import TabularConfig
from gradatim.tables.fit.fit import fit_table
from gradatim.tables.fit.plan import plan_table
from gradatim.tables.fit.time_limit import (
    LAST_S,
    SCORED_TIMES,
    VALIDATED_AGAIN,
    TimeLimit,
)
from gradatim.tables.saved.fit_data import check_choices
from tests.bits import assert_same_bits
from tests.tables.fit.test_plan import table_of


class Work:
    """A clock by which updates and validations take so long, and nothing else does."""

    def __init__(self, step_s, val_s):
        self.now, self.step_s, self.val_s = 1e6, step_s, val_s

    def __call__(self):
        return self.now

    def on_step_end(self, trainer, loss):
        self.now += self.step_s

    def on_validation_end(self, trainer):
        self.now += self.val_s


def fitted(seconds, work, **choices):
    plan = plan_table(table_of("price"), TabularConfig(**{"epochs": 4, **choices}))
    limit = seconds and TimeLimit(seconds, clock=work)
    return fit_table(
        plan,
        callbacks=[work],
        more_callbacks=lambda name: [work],
        progress=False,
        limit=limit,
    )


@pytest.mark.parametrize(
    ("seconds", "step_s", "val_s", "epochs"),
    [
        (1000.0, 1.0, 1.0, 4),
        (20.0, 2.0, 1.0, 1),
        (28.0, 2.0, 1.0, 2),
        (30.0, 1.0, 4.0, 1),
        (3.0, 1.0, 0.0, 0),
        (0.1, 1.0, 1.0, 0),
    ],
)
def test_it_ends_in_time_with_the_best_epoch_so_far(seconds, step_s, val_s, epochs):
    work = Work(step_s, val_s)
    began = work.now
    found, whole = fitted(seconds, work), fitted(None, Work(0, 0))
    plan = found.plan
    times = VALIDATED_AGAIN + SCORED_TIMES * len(plan.test) / len(plan.val)
    scoring_s = times * val_s * (epochs > 0)
    # An update is done in any case: more than one only if there is time.
    assert work.now + scoring_s <= began + max(seconds, step_s) - LAST_S * (seconds > 1)
    assert found.history.num_epochs == epochs
    is_whole = epochs == 4
    assert found.stop_reason == ("epochs" if is_whole else OUT_OF_TIME)
    assert found.to_dict()["stop_reason"] == found.stop_reason
    assert found.history.get("val_loss", []) == whole.history["val_loss"][:epochs]
    assert found.scores["linear"] == whole.scores["linear"]
    if is_whole:
        assert_same_bits(found.model.state_dict(), whole.model.state_dict())
        assert found.scores == whole.scores


def test_an_epoch_that_would_not_be_whole_is_not_begun():
    work = Work(step_s=1.0, val_s=0.0)
    began = work.now
    found = fitted(11.0, work, batch_size=32)  # 4 updates an epoch
    assert found.history.num_epochs == 2 and work.now == began + 8


def test_several_trainings_share_the_time():
    work = Work(step_s=1.0, val_s=0.0)
    found = fitted(20.0, work, folds=3, final=True, epochs=50)
    assert len(found.tests) == 3 and all(test.scores for test in found.tests)
    assert found.stop_reason == OUT_OF_TIME and found.final_epochs
    work = Work(step_s=1.0, val_s=0.0)
    found = fitted(8.0, work, folds=3, final=True, epochs=50, batch_size=32)
    assert len(found.tests) == 3 and found.final_epochs is None


def test_the_limit_may_be_written_as_the_command_takes_it():
    assert check_choices({"time_limit": "5m"}).time_limit == 300
    assert check_choices({"time_limit": 5}).time_limit == 5
    for wrong in ("soon", "0s", 0, -1.0):
        with pytest.raises(
            ConfigError, match=r"time_limit (is 'soon'|must be positive)"
        ):
            check_choices({"time_limit": wrong})
