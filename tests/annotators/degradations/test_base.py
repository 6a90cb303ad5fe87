"""What holds for all 32, whatever they do."""

from __future__ import annotations

import json
import random

import cv2
import numpy as np
import pytest

from annotators.degradations import NAMES, Degradation, ImageArrayError, degradations, degrade, replay
from graph200k.catalogue import DEGRADATIONS, GRAPH200K, MetaTask
from graph200k.errors import UnknownNameError

every_name = pytest.mark.parametrize("name", NAMES)


def test_the_registry_and_the_catalogue_name_the_same_degradations() -> None:
    restoration = {entry.name for entry in GRAPH200K.values() if entry.meta_task is MetaTask.RESTORATION}
    assert set(degradations) == set(DEGRADATIONS) == restoration
    assert tuple(DEGRADATIONS) == NAMES
    assert len(NAMES) == 32


@every_name
def test_every_class_is_a_frozen_degradation(name: str) -> None:
    instance = degradations[name]()
    assert isinstance(instance, Degradation)
    assert not hasattr(instance, "__dict__")
    with pytest.raises((AttributeError, TypeError)):
        instance.anything = 1


@every_name
def test_the_shape_is_kept_at_every_size(name: str, sized_photo: np.ndarray) -> None:
    degraded, _ = degrade(sized_photo, name, np.random.default_rng(0))
    height, width = sized_photo.shape[:2]
    expected = (width, height, 3) if name in ("rotate90", "rotate270") else (height, width, 3)
    assert degraded.shape == expected
    assert degraded.dtype == np.uint8
    assert degraded.flags.c_contiguous


@every_name
def test_the_same_seed_gives_the_same_pixels(name: str, photo: np.ndarray) -> None:
    first, params = degrade(photo, name, np.random.default_rng(11))
    second, again = degrade(photo, name, np.random.default_rng(11))
    assert params == again
    assert np.array_equal(first, second)


@every_name
def test_recorded_parameters_replay_after_json(name: str, photo: np.ndarray) -> None:
    for seed in range(4):
        degraded, params = degrade(photo, name, np.random.default_rng(seed))
        assert np.array_equal(replay(photo, name, json.loads(json.dumps(params))), degraded)


@every_name
def test_the_input_is_left_alone(name: str, photo: np.ndarray) -> None:
    before = photo.copy()
    photo.setflags(write=False)
    for seed in range(4):
        degraded, _ = degrade(photo, name, np.random.default_rng(seed))
        assert not np.shares_memory(degraded, photo)
    assert np.array_equal(photo, before)


@every_name
def test_no_draw_does_nothing(name: str, photo: np.ndarray) -> None:
    for seed in range(12):
        degraded, params = degrade(photo, name, np.random.default_rng(seed))
        assert degraded.shape != photo.shape or not np.array_equal(degraded, photo), params


@every_name
def test_no_global_random_state_is_touched(name: str, photo: np.ndarray) -> None:
    def next_values() -> tuple[float, float, float]:
        return random.random(), np.random.random(), float(cv2.randu(np.zeros((1, 1)), 0, 1)[0, 0])  # noqa: NPY002

    def seed_all() -> None:
        random.seed(3)
        np.random.seed(3)  # noqa: NPY002
        cv2.setRNGSeed(3)

    seed_all()
    expected = next_values()
    seed_all()
    degrade(photo, name, np.random.default_rng(0))
    assert next_values() == expected


@every_name
def test_a_view_of_a_larger_array_is_as_good_as_a_copy(name: str, photo: np.ndarray) -> None:
    view = photo[3:99:1, ::-1]
    from_view, _ = degrade(view, name, np.random.default_rng(2))
    from_copy, _ = degrade(view.copy(), name, np.random.default_rng(2))
    assert np.array_equal(from_view, from_copy)


@pytest.mark.parametrize(
    "name", ["gaussian_noise", "poisson_noise", "sp_noise", "elastic", "rain", "frost", "inpainting"]
)
def test_another_seed_gives_another_picture(name: str, photo: np.ndarray) -> None:
    first, _ = degrade(photo, name, np.random.default_rng(0))
    second, _ = degrade(photo, name, np.random.default_rng(1))
    assert not np.array_equal(first, second)


def test_an_unknown_name_is_answered_with_the_closest(photo: np.ndarray) -> None:
    with pytest.raises(UnknownNameError, match="gaussian_noise"):
        degrade(photo, "gausian_noise", np.random.default_rng(0))


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((64, 64), np.uint8), r"\(64, 64\)"),
        (np.zeros((64, 64, 4), np.uint8), r"\(64, 64, 4\)"),
        (np.zeros((64, 64, 3), np.float32), "float32"),
        (np.zeros((64, 31, 3), np.uint8), "31×64"),
        ([[0, 0, 0]], "list"),
    ],
)
def test_what_is_not_a_picture_is_refused(image: np.ndarray, said: str) -> None:
    with pytest.raises(ImageArrayError, match=said):
        degrade(image, "gray", np.random.default_rng(0))
    with pytest.raises(ImageArrayError, match=said):
        replay(image, "gray", {})


def test_the_smallest_picture_passes_through_all(photo_of) -> None:
    tiny = photo_of(32, 32)
    for name in NAMES:
        for seed in range(6):
            degrade(tiny, name, np.random.default_rng(seed))


@pytest.mark.parametrize(
    "name", ["gaussian_noise", "poisson_noise", "sp_noise", "inpainting", "rain", "frost", "elastic"]
)
def test_384_and_1024_px_look_alike(name: str, photo_of, psnr) -> None:
    """Seen at one size, the same damage is done: the error against the clean picture is within 1.5 dB."""
    params = degradations[name]().draw(np.random.default_rng(4))
    loss = []
    for side in (384, 1024):
        clean = cv2.GaussianBlur(photo_of(side, side), (0, 0), side / 100)
        seen = [
            cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA)
            for image in (clean, replay(clean, name, params))
        ]
        loss.append(psnr(*seen))
    assert loss[0] == pytest.approx(loss[1], abs=1.5)
