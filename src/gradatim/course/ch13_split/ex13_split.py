"""Row numbers in two parts, shuffled by a generator of one's own."""

from typing import Any

import torch

from gradatim.course.exercise import expect, expect_tuple

TEXT = """
Write `split_rows(num_rows, share, seed)`: it returns two lists of row numbers, train
and validation. Together they hold each of `0 .. num_rows - 1` once, at random;
`round(share * num_rows)` of them train. The same seed gives the same split, and the
global generator is left alone.
"""
STUB = """
import torch

def split_rows(num_rows, share, seed):
    generator = torch.Generator().manual_seed(seed)
    order = ...
    cut = round(share * num_rows)
    return ..., ...
"""
HINT = """
`torch.randperm(num_rows, generator=generator).tolist()` holds all numbers in a random
order. Cut it: `order[:cut]`, and what is left.
"""
SOLUTION = """
import torch

def split_rows(num_rows, share, seed):
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(num_rows, generator=generator).tolist()
    cut = round(share * num_rows)
    return order[:cut], order[cut:]
"""
PRAISE = "One shuffle, one cut: no row can be in both parts."
MUTANTS = """
not shuffled:
  torch.randperm(num_rows, generator=generator).tolist( => list(range(num_rows)
the first rows validate: order[:cut], order[cut: => order[cut:], order[:cut
one row lost: order[cut:] => order[cut + 1:]
one row in both: order[cut:] => order[cut - 1:]
the global generator: num_rows, generator=generator => num_rows
the global seed:
  Generator().manual_ => manual_
  , generator=generator =>
drawn with replacement: randperm(num_rows => randint(num_rows, (num_rows,)
always 80: round(share * num_rows) => 80
two shuffles:
  order[cut:] => torch.randperm(num_rows, generator=generator).tolist()[cut:]
"""


def check(split_rows: Any) -> None:
    """Look at two sizes and seeds; the caller's random numbers must stay."""
    before = torch.get_rng_state()
    answer = {}
    try:
        for num_rows, share, seed in ((100, 0.8, 42), (100, 0.8, 7), (10, 0.7, 1)):
            parts = split_rows(num_rows, share, seed)
            expect_tuple(parts, 2, "Two lists are to come back.")
            train, val = ([int(row) for row in part] for part in parts)
            answer[num_rows, seed] = train, val
            call = f"split_rows({num_rows}, {share}, {seed})"
            both = sorted(set(train) & set(val))
            expect(not both, f"{call} has row {both[:1]} in both parts.")
            lost = sorted(set(range(num_rows)) - {*train, *val})
            expect(not lost, f"{call} has lost row {lost[:1]}.")
            due, total = round(share * num_rows), len(train) + len(val)
            expect(
                len(train) == due,
                f"{call} is to give {due} rows to train, not {len(train)}.",
            )
            expect(total == num_rows, f"{call} gives {total} rows.")
        expect(
            torch.equal(before, torch.get_rng_state()),
            "The global generator has moved: give `randperm` your `generator`.",
        )
        again = tuple(list(map(int, part)) for part in split_rows(100, 0.8, 42))
        expect(again == answer[100, 42], "Seed 42 gave another split the second time.")
        expect(
            answer[100, 42] != answer[100, 7],
            "Seeds 42 and 7 give the same split: are the rows shuffled?",
        )
    finally:
        torch.set_rng_state(before)
