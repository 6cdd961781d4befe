"""Text for people."""

import pytest

from gradatim.text import bytes_for_people


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (9_999, "9,999 bytes"),
        (10_000, "10.0 kB"),
        (1_234_567, "1.2 MB"),
        (1_234_567_890, "1.2 GB"),
        (5e15, "5,000.0 TB"),
    ],
)
def test_sizes(size, text):
    assert bytes_for_people(size) == text
