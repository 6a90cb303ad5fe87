"""Random numbers as a function of where they are used: no state, so that draw i needs none of the draws before it."""

from __future__ import annotations

import numpy as np

from graph200k.seeds import derive_seed

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(values: np.ndarray) -> np.ndarray:
    """Return splitmix64's finaliser of each value: every input bit changes half of the output bits."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    values = values ^ (values >> np.uint64(31))
    return values


class Streams:
    """Independent streams of random numbers, one a purpose, addressed by index.

    Examples
    --------
    >>> streams = Streams(0, "example")
    >>> whole = streams.uniform(np.arange(10), 3)
    >>> bool((streams.uniform(np.arange(4, 6), 3) == whole[4:6]).all())
    True
    """

    def __init__(self, *names: str | int) -> None:
        self._key = np.uint64(derive_seed("streams", *names))

    def bits(self, indices: np.ndarray, stream: int) -> np.ndarray:
        """Return 64 random bits for each index, uint64."""
        # The second round, not a sum, sets the streams apart: index i of one is no index of another.
        first = _mix(indices.astype(np.uint64) * _GOLDEN + self._key)
        return _mix(first + np.full(1, stream + 1, np.uint64) * _GOLDEN)

    def uniform(self, indices: np.ndarray, stream: int) -> np.ndarray:
        """Return a number in [0, 1) for each index, float64."""
        return (self.bits(indices, stream) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def below(self, indices: np.ndarray, stream: int, limits: np.ndarray) -> np.ndarray:
        """Return an integer in [0, limit) for each index, int64; limits are at least 1 and below 2**40."""
        found: np.ndarray = (self.uniform(indices, stream) * limits).astype(np.int64)
        return found
