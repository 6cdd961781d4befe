from gradatim.doctor.learning_rates import fall_of_lr
from gradatim.doctor.pitfall import Findings, Pitfall
from gradatim.watching import TrainingSeen

MIN_UPDATES = 20  # chosen by hand, not measured


class LrGoneTooEarly(Pitfall):
    """The learning rate has fallen to almost nothing with most updates to come.

    What it sees:
        A learning rate below 1/200 of its peak for more than half of all updates.
        ``ReduceLROnPlateau``, which follows the loss, is left alone.

    Why it matters:
        Those updates change nothing: with ``ExponentialLR(gamma=0.9)`` the learning
        rate is below 1/200 after 51 epochs, and 150 more are spent for nothing.

    Example::

        scheduler = ExponentialLR(optimizer, gamma=0.5)   # 100 epochs

    Instead::

        scheduler = CosineAnnealingLR(optimizer, T_max=100)

    Source: Humbatova et al. 2020, taxonomy of faults, "suboptimal learning rate".
    """

    code = "GT807"
    title = "learning rate gone too early"

    def find(self, seen: TrainingSeen) -> Findings:
        for number, optimizer in enumerate(seen.optimizers):
            schedules = [s for s in seen.schedulers if s.optimizer == number]
            follows_loss = any(s.kind == "ReduceLROnPlateau" for s in schedules)
            fall = fall_of_lr(seen, number)
            if fall is None or follows_loss or optimizer.num_steps < MIN_UPDATES:
                continue
            peak, low, share = fall
            yield self.finding(
                verdict="The learning rate is almost zero for most of the training.",
                evidence=f"from {peak:.3g} to {low:.3g}; below 1/200 of its peak for "
                f"{share:.0%} of {optimizer.num_steps} updates",
                cure="a slower schedule: CosineAnnealingLR over all steps, or a gamma "
                "nearer to 1",
                line=schedules[0].line if schedules else optimizer.line,
            )
