"""Texts as numbers: the words and n-grams of each, hashed into a fixed range.

A text in small letters gives, in this order: its words, its pairs of neighbouring
words, and its sequences of 3 and of 4 characters (letters, digits and what stands
between them alike). Where a text has more than there is room for, the last are cut: of
a long text the words remain.

The hash is arithmetic in 64 bits, so that it is the same in every process and on every
machine; Python's ``hash`` is another one in each process.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["LONGEST_TEXT", "MOST_NGRAMS", "NUM_BUCKETS", "hashed_ngrams"]

NUM_BUCKETS = 1 << 15
"""N-grams are hashed into so many places; 0 stands for none. The largest that int16
holds. Chosen by hand, not measured."""
MOST_NGRAMS = 384
"""At most so many n-grams of a text are read: all of 150 characters, or the words of a
page and some pairs of them. It bounds the memory to 768 bytes a row."""
LONGEST_TEXT = 4_096
"""Of a longer text so many characters are looked at: more than ``MOST_NGRAMS`` words
have. It bounds the time that a text takes."""
LONGEST_WORD = 32
"""Words with the same first characters are taken for the same."""
CHUNK_ROWS = 4_096
"""So many texts are worked on at once, which bounds the memory."""
NUM_CHARACTERS = (3, 4)
"""Both were better than one of them in benchmarks/LOG.md."""

FACTOR = np.uint64(0x9E3779B97F4A7C15)
"""2 to the 64, over the golden ratio: its multiples lie far apart."""

Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]


def hashed_ngrams(
    texts: Sequence[str], width: int
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.bool]]:
    """Hash the n-grams of texts.

    Args:
        texts: One text a row.
        width: How many n-grams of a row there is room for.

    Returns:
        An array ``(texts, width)`` with places from 1 to ``NUM_BUCKETS - 1``, and 0
        behind the last n-gram; and for each text whether some were cut.

    >>> hashed_ngrams(["red shoes", "Red", ""], 4)[0]
    array([[ 9692,  4705,   940, 16944],
           [ 9692, 16944,     0,     0],
           [    0,     0,     0,     0]], dtype=int16)
    """
    found = np.zeros((len(texts), width), np.int16)
    is_cut = np.zeros(len(texts), np.bool)
    for start in range(0, len(texts), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        chunk = [text[:LONGEST_TEXT].lower() for text in texts[rows]]
        is_cut[rows] = _hash_chunk(chunk, found[rows])
        is_cut[rows] |= [len(text) > LONGEST_TEXT for text in texts[rows]]
    return found, is_cut


def _hash_chunk(
    texts: Sequence[str], found: npt.NDArray[np.int16]
) -> npt.NDArray[np.bool]:
    """Fill the rows of ``found``; say of each text whether something was cut."""
    lengths = np.array([len(text) for text in texts])
    characters = np.frombuffer("".join(texts).encode("utf-32-le"), "<u4")
    row = np.repeat(np.arange(len(texts)), lengths)
    code = _mixed(characters.astype(np.uint64) + np.uint64(1))
    filled = np.zeros(len(texts), np.int64)
    kinds = [*_words(characters, code, row)]
    kinds += [_sequences(code, row, length) for length in NUM_CHARACTERS]
    for salt, (hashes, rows) in enumerate(kinds):
        # A row's n-grams of one kind stand together: number them from where it is full.
        counts = np.bincount(rows, minlength=len(texts))
        firsts = np.cumsum(counts) - counts
        places = np.arange(len(rows)) - firsts[rows] + filled[rows]
        fits = places < found.shape[1]
        buckets = _mixed(hashes[fits] + np.uint64(salt)) >> np.uint64(33)
        buckets = buckets % np.uint64(NUM_BUCKETS - 1) + np.uint64(1)
        found[rows[fits], places[fits]] = buckets.astype(np.int16)
        filled += counts
    return filled > found.shape[1]


def _words(
    characters: npt.NDArray[np.uint32], code: Hashes, row: Places
) -> tuple[tuple[Hashes, Places], tuple[Hashes, Places]]:
    """Hash the words, and the pairs of neighbours; each with its row."""
    is_inside = _are_of_words(characters)
    starts_anew = np.diff(row, prepend=-1) != 0
    before = np.concatenate(([False], is_inside[:-1])) & ~starts_anew
    begins = np.flatnonzero(is_inside & ~before)
    after = np.concatenate((is_inside[1:], [False]))
    after &= ~np.concatenate((starts_anew[1:], [True]))
    ends = np.flatnonzero(is_inside & ~after) + 1
    hashes = np.zeros(len(begins), np.uint64)
    lengths = np.minimum(ends - begins, LONGEST_WORD)
    for place in range(int(lengths.max(initial=0))):
        at = np.flatnonzero(lengths > place)
        hashes[at] = hashes[at] * FACTOR + code[begins[at] + place]
    rows = row[begins]
    is_pair = rows[1:] == rows[:-1]
    pairs = (hashes[:-1] * FACTOR + hashes[1:])[is_pair]
    return (hashes, rows), (pairs, rows[1:][is_pair])


def _sequences(code: Hashes, row: Places, length: int) -> tuple[Hashes, Places]:
    """Hash each sequence of so many characters that lies within a text."""
    count = max(0, len(code) - length + 1)
    hashes = np.zeros(count, np.uint64)
    for place in range(length):
        hashes = hashes * FACTOR + code[place : place + count]
    is_within = row[:count] == row[length - 1 :]
    return hashes[is_within], row[:count][is_within]


def _are_of_words(characters: npt.NDArray[np.uint32]) -> npt.NDArray[np.bool]:
    """Say of each character whether it is a letter or a digit, of any script."""
    different, places = np.unique(characters, return_inverse=True)
    is_one = np.array([chr(each).isalnum() for each in different.tolist()], np.bool)
    return is_one[places]


def _mixed(hashes: Hashes) -> Hashes:
    """Let every bit depend on all others.

    Source: the last steps of SplitMix64, Steele, Lea, Flood 2014,
    https://doi.org/10.1145/2660193.2660195.
    """
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))
