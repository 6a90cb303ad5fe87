"""Degradations as annotators."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from annotators.base import ANNOTATORS
from annotators.degradations import NAMES, replay


@pytest.mark.parametrize("name", NAMES)
def test_what_is_stored_can_be_replayed_from_what_was_drawn(name: str, scene: np.ndarray) -> None:
    annotator = pickle.loads(pickle.dumps(ANNOTATORS[name]()))
    (made,) = annotator.load(Path())({"target": scene}, np.random.default_rng(3))
    assert made.node == name
    np.testing.assert_array_equal(made.image, replay(scene, name, made.drawn))


def test_fingerprints_differ_by_degradation_and_hold_their_ranges() -> None:
    fingerprints = {ANNOTATORS[name]().fingerprint for name in NAMES}
    assert len(fingerprints) == len(NAMES)
    assert ANNOTATORS["gaussian_noise"]().parameters["sigma"] == (10.0, 50.0)
