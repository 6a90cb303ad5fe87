from __future__ import annotations

from collections import Counter

import pytest

from sampler.choices import Choice, chance, pick

CHOICES = sorted(value for name, value in vars(Choice).items() if name.isupper())


def test_no_two_choices_share_their_bits() -> None:
    assert len(set(CHOICES)) == len(CHOICES)
    drawn = [
        pick([str(number) for number in range(10_007)], 5, choice, column) for choice in CHOICES for column in range(4)
    ]
    assert len(set(drawn)) == len(drawn)


def test_chances_of_successive_integers_are_uniform() -> None:
    counts = Counter(int(10 * chance(picks, Choice.DROP_TASK)) for picks in range(20_000))
    assert set(counts) == set(range(10))
    assert sum((count - 2000) ** 2 / 2000 for count in counts.values()) < 27.9  # chi-squared, 9 degrees, p = 0.001


def test_two_choices_are_independent() -> None:
    counts = Counter((pick("abc", picks, Choice.TASK), pick("abc", picks, Choice.PHRASE, 1)) for picks in range(18_000))
    assert len(counts) == 9
    assert all(count == pytest.approx(2000, abs=200) for count in counts.values())


@pytest.mark.parametrize("picks", [0, 1, (1 << 63) - 1])
def test_any_63_bits_will_do(picks: int) -> None:
    assert 0 <= chance(picks, Choice.DROP_PROMPT) < 1
    assert pick(["only"], picks, Choice.LAYOUT) == "only"
