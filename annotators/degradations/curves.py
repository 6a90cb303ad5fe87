"""Tone curves, and the two ways to apply one: to each channel, or to the value of HSV.

A curve is float, 256 values of 0 to 1: what becomes of each grey level.
"""

from __future__ import annotations

import cv2
import numpy as np

from annotators.degradations.lookup import look_up

LEVELS = np.arange(256) / 255
"""The curve that changes nothing."""


def shift(amount: float) -> np.ndarray:
    """Return the curve that adds ``amount`` (full scale is 1)."""
    return np.clip(LEVELS + amount, 0, 1)


def gamma(exponent: float) -> np.ndarray:
    """Return the curve that raises to ``exponent``; above 1 is darker."""
    return LEVELS**exponent


def apply_to_channels(image: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """Return ``image`` with ``curve`` applied to R, G and B alike.

    Examples
    --------
    >>> apply_to_channels(np.full((1, 1, 3), 100, np.uint8), shift(0.1))[0, 0].tolist()
    [126, 126, 126]
    """
    return look_up(image, np.rint(np.clip(curve, 0, 1) * 255).astype(np.uint8))


def apply_to_value(image: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """Return ``image`` with ``curve`` applied to V = max(R, G, B); hue and saturation stay.

    Keeping H and S means scaling all three channels alike. The way through 8-bit HSV costs more and rounds hues.

    Examples
    --------
    >>> apply_to_value(np.array([[[100, 50, 0]]], np.uint8), gamma(0.5))[0, 0].tolist()
    [160, 80, 0]
    """
    value = max_of_channels(image)
    target = np.clip(curve, 0, 1) * 255
    gain = cv2.LUT(value, (target / np.maximum(np.arange(256), 1)).astype(np.float32))
    toned = cv2.multiply(image, cv2.merge((gain, gain, gain)), dtype=cv2.CV_8U)
    if target[0] > 0:  # black has no hue to scale: it becomes grey
        black = cv2.compare(value, 0, cv2.CMP_EQ)
        cv2.add(toned, (round(target[0]),) * 3 + (0,), dst=toned, mask=black)
    return toned


def max_of_channels(image: np.ndarray) -> np.ndarray:
    """Return max(R, G, B), H×W; numpy's ``max`` over the last axis takes 30 times as long."""
    red, green, blue = cv2.split(image)
    return cv2.max(cv2.max(red, green), blue)


def min_of_channels(image: np.ndarray) -> np.ndarray:
    """Return min(R, G, B), H×W."""
    red, green, blue = cv2.split(image)
    return cv2.min(cv2.min(red, green), blue)
