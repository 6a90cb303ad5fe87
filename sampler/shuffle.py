"""Who reads which shards, and in which order a bounded buffer gives records out: arithmetic on numbers, no files."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from sampler.hashing import Streams

_BLOCK = 1024
"""Random numbers made at a time."""


class _Stream(IntEnum):
    """Purposes of random numbers."""

    SHARDS = 0
    SLOTS = 1


def deal(shards: int, *, seed: int, epoch: int, part: int, parts: int) -> np.ndarray:
    """Return the shards that one of ``parts`` readers reads in an epoch, in the order it reads them, int64.

    The parts of an epoch have all shards between them, each once. Dealing goes on from epoch to epoch where it stopped,
    so that over the epochs no part has had more than one shard more than another, even where there are more parts than
    shards; such a part has nothing to read in some epochs.

    Examples
    --------
    >>> sorted(int(shard) for part in range(3) for shard in deal(5, seed=0, epoch=1, part=part, parts=3))
    [0, 1, 2, 3, 4]
    >>> [len(deal(1, seed=0, epoch=epoch, part=1, parts=3)) for epoch in range(6)]
    [0, 1, 0, 0, 1, 0]
    """
    numbers = np.arange(shards)
    bits = Streams("deal", seed, epoch).bits(numbers, _Stream.SHARDS)
    order = np.argsort(bits, kind="stable")
    mine: np.ndarray = order[(numbers + epoch * shards) % parts == part]
    return mine


class ShuffleBuffer:
    """Which of ``length`` records, named 0, 1, 2 …, a buffer of ``capacity`` holds while it gives them out shuffled.

    It is filled from the front. Each turn gives out the record in one slot, drawn at random, and then puts the next
    record there. When there is no next one, the record stays, spent: it is not given out again, but is still there to
    be an example. What is held after k turns is a function of the arguments and k.

    Parameters
    ----------
    length
        Number of records.
    capacity
        Most records held.
    names
        What the order is a function of.

    Examples
    --------
    >>> buffer = ShuffleBuffer(5, 2, 0, "example")
    >>> given = []
    >>> while buffer.live:
    ...     given.append(buffer.slots[buffer.slot])
    ...     _ = buffer.advance()
    >>> sorted(given)
    [0, 1, 2, 3, 4]
    """

    def __init__(self, length: int, capacity: int, *names: str | int) -> None:
        self.slots = list(range(min(capacity, length)))
        """Ordinals of the records held, the spent ones last."""
        self.live = len(self.slots)
        """How many of them are not spent."""
        self.turns = 0
        """How many records were given out."""
        self._length = length
        self._streams = Streams("shuffle", *names)
        self._block, self._numbers = -1, np.zeros(0)

    @property
    def slot(self) -> int:
        """Return the slot whose record this turn gives out; one is live."""
        block, place = divmod(self.turns, _BLOCK)
        if block != self._block:
            self._block = block
            indices = np.arange(block * _BLOCK, (block + 1) * _BLOCK)
            self._numbers = self._streams.uniform(indices, _Stream.SLOTS)
        return int(self._numbers[place] * self.live)

    def advance(self) -> int | None:
        """End the turn; return the ordinal that took the slot, None if there is no further record."""
        slot, following = self.slot, self.turns + len(self.slots)
        self.turns += 1
        if following < self._length:
            self.slots[slot] = following
            return following
        self.live -= 1
        self.slots[slot], self.slots[self.live] = self.slots[self.live], self.slots[slot]
        return None
