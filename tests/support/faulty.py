"""Annotators that misbehave on some records, and plain ones to run beside them. They make `depth`, `normal`, `bbox`."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.base import AnnotateFunction, Annotation, Annotator, Resources


def identify(image: np.ndarray) -> int:
    """Return the number that :func:`mark` put into a picture."""
    return round(float(image[:8, :8].mean()) / 4)


def mark(image: np.ndarray, number: int) -> np.ndarray:
    """Return a copy whose corner carries a number (0 to 60) that survives JPEG."""
    marked = image.copy()
    marked[:16, :16] = number * 4
    return marked


@dataclass(frozen=True, kw_only=True)
class Negative(Annotator):
    """Makes `depth`, the negative of the grey target."""

    name = "negative"
    produces = ("depth",)
    resources = Resources(cheap=True)

    strength: float = 1.0

    def load(self, weights_folder: Path) -> AnnotateFunction:
        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            grey = 255 - images["target"].mean(axis=2) * self.strength
            return [Annotation("depth", grey.astype(np.uint8))]

        return annotate


@dataclass(frozen=True, kw_only=True)
class Noisy(Annotator):
    """Makes `normal` from `depth` and its generator: shows order of stages and seeds."""

    name = "noisy"
    reads = ("target", "depth")
    produces = ("normal",)

    def load(self, weights_folder: Path) -> AnnotateFunction:
        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            depth = images["depth"].astype(np.int16)[..., None]
            noise = rng.integers(0, 32, images["target"].shape, dtype=np.int16)
            return [Annotation("normal", np.clip(depth + noise, 0, 255).astype(np.uint8))]

        return annotate


@dataclass(frozen=True, kw_only=True)
class Faulty(Annotator):
    """Makes `bbox`; does something bad on the records whose marked number is listed for it."""

    name = "faulty"
    produces = ("bbox",)
    resources = Resources(time_limit_s=2.0)

    raises: tuple[int, ...] = ()
    runs_out_of_memory: tuple[int, ...] = ()
    kills_itself: tuple[int, ...] = ()
    hangs: tuple[int, ...] = ()
    hangs_in_c: tuple[int, ...] = ()
    wrong_size: tuple[int, ...] = ()

    def load(self, weights_folder: Path) -> AnnotateFunction:
        return self._annotate

    def _annotate(self, images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
        number = identify(images["target"])
        if number in self.raises:
            raise RuntimeError(f"no luck with {number}")
        if number in self.runs_out_of_memory:
            raise MemoryError("as a model would")
        if number in self.kills_itself:
            os.kill(os.getpid(), signal.SIGKILL)  # what the kernel does when memory runs out
        if number in self.hangs:
            time.sleep(3600)
        if number in self.hangs_in_c:
            re.match(r"(a+)+$", "a" * 64 + "b")  # native code that never gives the interpreter lock back
        size = (3, 3, 3) if number in self.wrong_size else images["target"].shape
        return [Annotation("bbox", rng.integers(0, 255, size, dtype=np.uint8))]
