"""Values of Thrift's compact protocol, in which Parquet files describe themselves.

What is read may be damaged, or made by a stranger. So whatever two readers could take
for different things is refused, such as a field that is there twice.

Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from typing import Any

__all__ = ["I32", "I64", "LIST", "STRUCT", "Struct", "Thrift"]

I16, I32, I64 = 4, 5, 6
BINARY, LIST, SET, MAP, STRUCT = 8, 9, 10, 11, 12
INTEGERS = (I16, I32, I64)
BOOLEANS = (1, 2)
"""In a struct, the type of a boolean is its value."""
WIDTHS = {1: 1, 2: 1, 3: 1, 7: 8, 13: 16}
"""The bytes of other values: booleans within lists, bytes, doubles and UUIDs."""
MOST_DEPTH = 32
"""So deep may values lie within each other; those of Parquet lie 6 deep."""

Struct = dict[tuple[int, int], Any]
"""The fields of a struct by their number and type. Integers, lists and structs are
read; of other values there is None, and of booleans nothing."""


class Thrift:
    """Reads a struct that stands at the beginning of some bytes.

    >>> Thrift(bytes([0x15, 0x06, 0x16, 0x03, 0x00])).struct()
    {(1, 5): 3, (2, 6): -2}
    """

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.place = 0
        """How many bytes have been read."""

    def struct(self, depth: int = 0) -> Struct:
        """Read a struct.

        Raises:
            IndexError: The content ends before the struct does.
            ValueError: It is no struct.
        """
        fields: Struct = {}
        seen, number = set(), 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            if number in seen or not 0 <= number < 1 << 15:
                raise ValueError(f"a field {number} that is odd, or there twice")
            seen.add(number)
            kind = head & 15
            if kind in INTEGERS:
                fields[number, kind] = self._integer()
            elif kind not in BOOLEANS:
                fields[number, kind] = self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if depth > MOST_DEPTH:
            raise ValueError("values that lie too deep within each other")
        if kind in INTEGERS:
            return self._integer()
        if kind in WIDTHS:
            return self._skip(WIDTHS[kind])
        if kind == BINARY:
            return self._skip(self._varint())
        if kind in (LIST, SET):
            head = self._byte()
            size = head >> 4 if head >> 4 < 15 else self._varint()
            if head & 15 in WIDTHS:
                return self._skip(size * WIDTHS[head & 15])
            return [self._value(head & 15, depth + 1) for _ in range(size)]
        if kind == MAP:
            size = self._varint()
            kinds = self._byte() if size else 0
            for _ in range(size):
                self._value(kinds >> 4, depth + 1)
                self._value(kinds & 15, depth + 1)
            return None
        if kind == STRUCT:
            return self.struct(depth + 1)
        raise ValueError(f"a type {kind} that there is not")

    def _byte(self) -> int:
        byte = self._content[self.place]
        self.place += 1
        return byte

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)

    def _varint(self) -> int:
        number = self._byte()
        if number < 128:
            return number
        number, shift = number & 127, 7
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")

    def _skip(self, num_bytes: int) -> None:
        self.place += num_bytes
        if self.place > len(self._content):
            raise IndexError("the content ends within a value")
