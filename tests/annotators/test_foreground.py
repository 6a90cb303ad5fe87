from pathlib import Path

import numpy as np
import pytest

from annotators.base import AnnotateFunction
from annotators.foreground import Foreground
from graph200k.errors import MissingWeightsError


@pytest.fixture(scope="module")
def annotate(weights_folder: Path) -> AnnotateFunction:
    return Foreground().load(weights_folder)


def make_matte(annotate: AnnotateFunction, image: np.ndarray) -> np.ndarray:
    (annotation,) = annotate({"target": image}, np.random.default_rng(0))
    assert (annotation.node, annotation.role, annotation.variant) == ("foreground", "matte", None)
    return annotation.image


def test_subject_is_white_and_the_rest_black(annotate: AnnotateFunction, scene: np.ndarray) -> None:
    matte = make_matte(annotate, scene)
    y, x = np.mgrid[:240, :320]
    distance = np.hypot(y - 120, x - 160)
    assert matte[distance < 60].mean() > 230
    assert matte[distance > 90].mean() < 20


@pytest.mark.parametrize("size", [(48, 64), (64, 48), (64, 64), (2000, 1500), (1, 300)], ids=str)
def test_matte_is_one_channel_of_the_size_of_the_target(annotate: AnnotateFunction, size: tuple[int, int]) -> None:
    matte = make_matte(annotate, np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8))
    assert matte.shape == size
    assert matte.dtype == np.uint8


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_flat_picture_has_a_matte_too(annotate: AnnotateFunction, level: int) -> None:
    assert make_matte(annotate, np.full((64, 64, 3), level, np.uint8)).shape == (64, 64)


def test_same_picture_same_bytes_in_another_session(
    annotate: AnnotateFunction, weights_folder: Path, scene: np.ndarray
) -> None:
    again = Foreground().load(weights_folder)
    assert make_matte(annotate, scene).tobytes() == make_matte(again, scene).tobytes()


def test_rembg_looks_nowhere_else_and_downloads_nothing(
    weights_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    monkeypatch.setattr("pooch.retrieve", lambda *_, **__: pytest.fail("rembg tried to download"))
    Foreground().load(weights_folder)
    assert not list(tmp_path.iterdir())


def test_missing_weights_are_named_before_rembg_is_imported(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match="U²-Net-p"):
        Foreground().load(tmp_path)
