"""A record as bytes: tf.train.Example in protobuf's wire format, the arrays copied once.

TFDS' serialiser copies an array five times, all of it while no other thread of Python can run: of
the time in which a corpus is built on two cores that was a tenth. What is written here TFDS reads
like its own; the tests hold the two against each other.

Format: tensorflow/core/example/example.proto and feature.proto; protobuf's "Encoding".
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

# Number of a field and the kind of what follows: 2, a length and so many bytes.
_FIELD_1, _FIELD_2, _FIELD_3 = (bytes([number << 3 | 2]) for number in (1, 2, 3))
# Which field of a Feature is its list.
_BYTES_LIST, _INT64_LIST = _FIELD_1, _FIELD_3


def serialize(values: Mapping[str, bytes | str | int | np.ndarray]) -> bytes:
    """An Example with one value a feature; an array holds one; an int is not negative.

    Args:
        values: name -> value, as TFDS' `encode_example` makes them of texts, classes, integers and
            of tensors whose encoding is BYTES.
    """
    pieces: list[bytes] = [b""]
    total = 0
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            value = value.item()
        if isinstance(value, str):
            value = value.encode()
        if isinstance(value, bytes):
            kind, content, large = _BYTES_LIST, _FIELD_1 + _varint(len(value)), value
        else:
            packed = _varint(int(value))
            kind, content, large = _INT64_LIST, _FIELD_1 + _varint(len(packed)) + packed, b""
        feature = kind + _varint(len(content) + len(large)) + content
        key = name.encode()
        entry = _FIELD_1 + _varint(len(key)) + key + _FIELD_2 + _varint(len(feature) + len(large))
        entry += feature
        head = _FIELD_1 + _varint(len(entry) + len(large)) + entry
        pieces += (head, large)
        total += len(head) + len(large)
    pieces[0] = _FIELD_1 + _varint(total)
    return b"".join(pieces)


def _varint(number: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth says that more follow."""
    if number < 0:
        raise ValueError(f"{number}: negative numbers are not written")
    some = bytearray()
    while number > 127:
        some.append(number & 127 | 128)
        number >>= 7
    some.append(number)
    return bytes(some)
