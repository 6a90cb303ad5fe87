"""Choices made from one integer: the same on every machine, and none shifts another.

:mod:`sampler.hashing` does the same for arrays. For the ten single choices of an instruction numpy is too slow: 13 µs a
choice, against 0.4 µs for SplitMix64 (Steele et al. 2014) on Python's integers.
"""

from __future__ import annotations

from collections.abc import Sequence

_WORD = (1 << 64) - 1


class Choice:
    """What is chosen. Plain integers: an enum's arithmetic costs more than the choice."""

    DROP_PROMPT = 0
    DROP_TASK = 1
    DROP_CONTENT = 2
    LAYOUT = 3
    TASK = 4
    PHRASE = 5
    CONTENT = 6


def chance(picks: int, choice: int) -> float:
    """Return a number in [0, 1) that ``picks`` gives to a choice.

    Examples
    --------
    >>> round(chance(1, Choice.DROP_TASK), 3), round(chance(2, Choice.DROP_TASK), 3)
    (0.72, 0.006)
    """
    return (_bits(picks, choice, 0) >> 11) / (1 << 53)


def pick(options: Sequence[str], picks: int, choice: int, column: int = 0) -> str:
    """Return one of ``options``, all equally likely over ``picks``, independent of other choices and columns."""
    return options[_bits(picks, choice, column) % len(options)]


def _bits(picks: int, choice: int, column: int) -> int:
    """Return 64 bits: the output of SplitMix64 seeded with ``picks``, at a position of its own (columns below 64)."""
    mixed = (picks + (choice * 64 + column + 1) * 0x9E3779B97F4A7C15) & _WORD
    mixed = ((mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9) & _WORD
    mixed = ((mixed ^ mixed >> 27) * 0x94D049BB133111EB) & _WORD
    return mixed ^ mixed >> 31
