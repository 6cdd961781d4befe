"""gradatim's loop against those written by hand and those of the peers.

All train the same model from the same weights on the same data, with as many batches
an epoch and validation after each; each draws its own order. One thread. An update's
time is that of the whole training, start and validation included, over its updates.
"""

import math
import sys

import torch

from measure import interleaved, median, print_table, verdict
from peers import by_hand, gradatim, ignite, keras, lightning, skorch
from works import WORKS, Work

CONTESTANTS = {
    "gradatim": gradatim.prepare,
    "DataLoader": by_hand.prepare_loader,
    "Lightning": lightning.prepare,
    "Lightning, as it comes": lightning.prepare_defaults,
    "skorch": skorch.prepare,
    "Keras": keras.prepare,
    "ignite": ignite.prepare,
    "the four steps": by_hand.prepare_steps,
}
PAIR = {"gradatim": gradatim.prepare, "sliced": by_hand.prepare_sliced}

REPEATS = 3
PAIR_REPEATS = 9
"""Bars of a few percent need more of them; these two are the quickest."""


def main() -> None:
    torch.set_num_threads(1)
    for make_work in WORKS:
        work = make_work()
        print(
            f"{work.name}; {work.num_updates} updates in {work.epochs} epochs\n",
            flush=True,
        )
        rows = [
            *compare(work, CONTESTANTS, repeats=REPEATS),
            *compare(work, PAIR, repeats=PAIR_REPEATS),
        ]
        print_table(
            ("contestant", "us an update", "gradatim over it", "bar", "", "val_loss"),
            rows,
        )
        print(flush=True)


def compare(work: Work, contestants: dict, *, repeats: int) -> list[tuple[str, ...]]:
    """Time ``contestants`` in turn; give a row each."""
    seconds, val_losses = interleaved(
        {name: lambda p=prepare: p(work) for name, prepare in contestants.items()},
        repeats=repeats,
    )
    check_same_work(work, val_losses)
    update_us = {
        name: median(each) / work.num_updates * 1e6 for name, each in seconds.items()
    }
    rows = []
    for name, own_us in update_us.items():
        ratio, bar = update_us["gradatim"] / own_us, work.bars.get(name)
        rows.append(
            (
                name,
                f"{own_us:,.0f}",
                "" if name == "gradatim" else f"{ratio:.3f}",
                "" if bar is None else f"{bar:.3f}",
                verdict(ratio, bar),
                "" if math.isnan(val_losses[name]) else f"{val_losses[name]:.4f}",
            )
        )
    return rows


def check_same_work(work: Work, val_losses: dict[str, float]) -> None:
    """Refuse a comparison in which someone learned something else."""
    known = [value for value in val_losses.values() if not math.isnan(value)]
    low, high = min(known), max(known)
    assert high <= low * (1 + work.val_loss_within), (
        f"{work.name}: the last validation losses lie apart: {val_losses}"
    )


if __name__ == "__main__":
    sys.exit(main())
