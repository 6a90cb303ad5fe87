"""What tests of annotators share: the real weights, if this machine has them, and small images drawn in code."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from annotators.weights import WEIGHTS, default_weights_folder, find


@pytest.fixture(scope="session")
def weights_folder() -> Path:
    """Return the user's cache of model files; skip the test if one is missing, but fail it in CI."""
    folder = default_weights_folder(os.environ)
    missing = [name for name in WEIGHTS if find(name, folder) is None]
    if missing:
        reason = f"no {', '.join(missing)} in {folder}; run `graph200k weights` to test with them"
        # A skipped test of real weights in CI would be a promise nobody checks.
        pytest.fail(reason) if "CI" in os.environ else pytest.skip(reason)
    return folder


@pytest.fixture
def scene() -> np.ndarray:
    """Return an RGB picture, 240×320, of a red ball before a smooth grey-blue background."""
    shade = np.linspace(150, 200, 240, dtype=np.uint8)[:, None, None]
    image = np.ascontiguousarray(np.broadcast_to(shade, (240, 320, 3))) + np.array([0, 10, 40], np.uint8)
    return cv2.circle(image, (160, 120), 70, (200, 30, 20), -1, cv2.LINE_AA)
