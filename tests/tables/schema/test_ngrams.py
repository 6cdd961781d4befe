"""Hashed n-grams are the same everywhere, and depend on nothing but their text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradatim.tables.schema import ngrams
from gradatim.tables.schema.ngrams import LONGEST_TEXT, NUM_BUCKETS, hashed_ngrams


def of(text, width=400):
    return hashed_ngrams([text], width)[0][0]


def test_the_hash_is_the_same_on_every_machine_and_of_every_script():
    found = hashed_ngrams(["Red shoes", "\u00c4rger \u6c49\u5b57"], 6)[0]
    assert found.tolist() == [
        [9692, 4705, 940, 16944, 10746, 14338],
        [8305, 14181, 22051, 29074, 7549, 13065],
    ]


@given(st.lists(st.text(), max_size=6), st.integers(1, 20), st.integers(1, 4))
def test_a_row_depends_on_its_own_text(texts, width, chunk_rows):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ngrams, "CHUNK_ROWS", chunk_rows)
        together, is_cut = hashed_ngrams(texts, width)
    assert together.shape == (len(texts), width) and together.min(initial=0) >= 0
    assert together.max(initial=0) < NUM_BUCKETS
    for text, row, cut in zip(texts, together, is_cut, strict=True):
        whole = of(text)
        assert row.tolist() == whole[:width].tolist()
        assert cut == (np.count_nonzero(whole) > width)


def test_words_come_first_and_what_they_share_is_shared():
    count = {"words": 3, "pairs": 2, "of 3": 11, "of 4": 10}
    text = of("one two threes"[:13])
    assert np.count_nonzero(text) == sum(count.values())
    assert of("One, two!")[:2].tolist() == text[:2].tolist()
    assert len({*of("two one")[:2]} & {*text[:2]}) == 2  # the words, in other order
    assert of("two one")[2] != text[3]  # the pair is another one
    shared = {*of("walking")} & {*of("walked")}
    assert len(shared - {0}) == 3  # wal, alk, walk


def test_a_very_long_text_is_cut():
    found, is_cut = hashed_ngrams(["a " * LONGEST_TEXT, "a"], 8)
    assert is_cut.tolist() == [True, False]
    assert (found[0] == found[1, 0]).all()
