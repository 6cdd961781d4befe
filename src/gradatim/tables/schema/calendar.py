"""The calendar of a 64-bit count of seconds, in integer tensors on any device.

Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms",
https://howardhinnant.github.io/date_algorithms.html, ``civil_from_days``.
"""

from jaxtyping import Float, Int64
from torch import Tensor

__all__ = ["PARTS", "days_and_seconds", "part", "weekday", "year_and_day"]

SECONDS_A_DAY = 86_400
DAYS_OF_400_YEARS = 146_097
"""After 400 years the Gregorian calendar repeats."""

PARTS = ("time_of_day", "weekday", "day_of_month", "day_of_year")
"""The parts of a date that come round again: each becomes a point on a circle."""


def part(name: str, seconds: Int64[Tensor, " rows"]) -> Float[Tensor, " rows"]:
    """Say how much of its circle a part of the date has gone, from 0 to below 1.

    Args:
        name: One of ``PARTS``.
        seconds: Seconds since 1970 began, on the clock on the wall.

    >>> import torch
    >>> part("time_of_day", torch.tensor([18 * 3600]))
    tensor([0.7500])
    """
    days, second_of_day = days_and_seconds(seconds)
    if name == "time_of_day":
        return second_of_day.float() / SECONDS_A_DAY
    if name == "weekday":
        return weekday(days).float() / 7
    _, day_of_year, day_of_month = year_and_day(days)
    if name == "day_of_month":
        return day_of_month.float() / 31
    return day_of_year.float() / 366


def days_and_seconds(
    seconds: Int64[Tensor, " rows"],
) -> tuple[Int64[Tensor, " rows"], Int64[Tensor, " rows"]]:
    """Split into whole days since 1970-01-01 and the seconds of the day after them."""
    days = seconds // SECONDS_A_DAY
    return days, seconds - days * SECONDS_A_DAY


def weekday(days: Int64[Tensor, " rows"]) -> Int64[Tensor, " rows"]:
    """Give the day of the week; Monday is 0, and 1970-01-01 was a Thursday."""
    return (days + 3) % 7


def year_and_day(
    days: Int64[Tensor, " rows"],
) -> tuple[Int64[Tensor, " rows"], Int64[Tensor, " rows"], Int64[Tensor, " rows"]]:
    """Give year, day of the year and day of the month; days are counted from 0.

    >>> import torch
    >>> year_and_day(torch.tensor([0, 59]))
    (tensor([1970, 1970]), tensor([ 0, 59]), tensor([0, 0]))
    """
    shifted = days + 719_468  # since 0000-03-01, so that a leap day ends its year
    era = shifted // DAYS_OF_400_YEARS
    day_of_era = shifted - era * DAYS_OF_400_YEARS
    leap_days = day_of_era // 1_460 - day_of_era // 36_524 + day_of_era // 146_096
    year_of_era = (day_of_era - leap_days) // 365
    day = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day + 2) // 153  # 0 is March
    day_of_month = day - (153 * month + 2) // 5
    in_new_year = month >= 10
    year = year_of_era + era * 400 + in_new_year.long()
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    before_march = 59 + leap.long()
    day_of_year = day + before_march * (~in_new_year).long() - 306 * in_new_year.long()
    return year, day_of_year, day_of_month
