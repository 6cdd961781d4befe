"""Which columns may be read as text, and how much room their n-grams need."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from gradatim.tables.schema.columns import Column
from gradatim.tables.schema.ngrams import MOST_NGRAMS, hashed_ngrams

__all__ = ["may_be_text", "text_column"]

FEWEST_ROWS = 200
"""Of fewer rows it cannot be told whether a text helps. Chosen by hand."""
MOST_TEXTS = 4
"""So many columns are tried, as each costs the time of a linear model or two."""
FEWEST_WORDS = 2
"""Texts have so many words on average; a value of one word is a name."""
LOOKED_AT = 1_000
"""So many values tell how many words there are, and how much room they need."""
ROOM_STEP = 16
"""Room is given in steps of so many n-grams."""


def may_be_text(column: Column, values: pa.Array, num_texts: int) -> bool:
    """Say whether to try a column that is no feature; ``num_texts`` are tried so far.

    It is text, or differs in nearly every row, and its values are of several words.
    """
    if column.kind not in ("text", "identifier") or num_texts >= MOST_TEXTS:
        return False
    if not pa.types.is_dictionary(values.type) or len(values) < FEWEST_ROWS:
        return False
    if not pa.types.is_string(values.type.value_type):
        return False
    first = values.dictionary.slice(0, LOOKED_AT)
    spaces = pc.mean(pc.count_substring_regex(first, r"\w\s+\w")).as_py()
    return spaces is not None and spaces + 1 >= FEWEST_WORDS


def text_column(column: Column, values: pa.Array) -> Column:
    """Make a column one of text that is used, with room for its n-grams.

    The room is a quarter more than the most that a text of the training file needs, as
    those of later may be longer.
    """
    texts = [text or "" for text in values.dictionary.to_pylist()]
    longest = sorted(texts, key=len)[-LOOKED_AT:]
    ngrams, _ = hashed_ngrams(longest, MOST_NGRAMS)
    most = int((ngrams > 0).sum(axis=1).max(initial=1))
    room = -(-(most + most // 4) // ROOM_STEP) * ROOM_STEP
    return replace(
        column,
        kind="text",
        type="string",
        used=True,
        vocabulary=(),
        num_ngrams=min(MOST_NGRAMS, room),
    )
