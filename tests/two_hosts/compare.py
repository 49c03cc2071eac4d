"""Compares the features of two files of `shotlens embed`: the same photos, and no number further apart than 1e-6."""

import json
import struct
import sys


def features(path):
    """Names of the photos and their features, flat."""
    with open(path, "rb") as file:
        data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    start, end = header["features"]["data_offsets"]
    numbers = data[8 + length + start : 8 + length + end]
    return header["__metadata__"], header["features"]["shape"], struct.unpack(f"<{len(numbers) // 4}f", numbers)


def main():
    (_, shape, expected), (_, other, found) = map(features, sys.argv[1:3])
    if shape != other:
        sys.exit(f"{shape} and {other}")
    furthest = max(abs(a - b) for a, b in zip(expected, found))
    print(f"{shape[0]} photos of {shape[1]} numbers: furthest apart {furthest:.1e}")
    if furthest > 1e-6:
        sys.exit(1)


main()
