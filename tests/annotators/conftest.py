"""What tests of annotators share: small images drawn in code."""

import cv2
import numpy as np
import pytest


@pytest.fixture
def scene() -> np.ndarray:
    """Return an RGB picture, 240×320, of a red ball before a smooth grey-blue background."""
    shade = np.linspace(150, 200, 240, dtype=np.uint8)[:, None, None]
    image = np.ascontiguousarray(np.broadcast_to(shade, (240, 320, 3))) + np.array([0, 10, 40], np.uint8)
    return cv2.circle(image, (160, 120), 70, (200, 30, 20), -1, cv2.LINE_AA)
