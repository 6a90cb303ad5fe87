from __future__ import annotations

import numpy as np
import pytest

from annotators.degradations import NAMES, degradations
from annotators.degradations.brightness import Darken
from annotators.degradations.choice import Choice
from graph200k.errors import UnknownNameError

CHOICES = [name for name in NAMES if issubclass(degradations[name], Choice)]


@pytest.mark.parametrize("name", CHOICES)
def test_every_kind_and_severity_is_drawn(name: str) -> None:
    degradation = degradations[name]()
    rng = np.random.default_rng(0)
    drawn = {(params["kind"], params["severity"]) for params in (degradation.draw(rng) for _ in range(600))}
    expected = {
        (kind, severity)
        for kind, levels in degradation.levels.items()
        for severity, arguments in enumerate(levels, start=1)
        if arguments != degradation.identities.get(kind)
    }
    assert drawn == expected


@pytest.mark.parametrize("name", CHOICES)
def test_kinds_are_equally_likely(name: str) -> None:
    degradation = degradations[name]()
    rng = np.random.default_rng(1)
    kinds = [degradation.draw(rng)["kind"] for _ in range(2000)]
    for kind in degradation.levels:
        assert kinds.count(kind) / 2000 == pytest.approx(1 / len(degradation.levels), abs=0.05)


def test_levels_can_be_chosen_and_a_drawn_identity_is_drawn_again() -> None:
    darken = Darken(levels={"gamma_rgb": ({"gamma": 1.0}, {"gamma": 5.0})})
    rng = np.random.default_rng(0)
    assert {darken.draw(rng)["gamma"] for _ in range(20)} == {5.0}


def test_levels_that_all_do_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="leave the image as it is"):
        Darken(levels={"gamma_rgb": ({"gamma": 1.0},)})


def test_an_unknown_kind_is_refused_with_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="gamma_rgb"):
        Darken(levels={"gamma_rbg": ({"gamma": 2.0},)})
