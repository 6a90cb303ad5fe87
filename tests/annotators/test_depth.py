from pathlib import Path

import numpy as np
import pytest

from annotators.depth import Depth, depth_map, load_depth_network
from annotators.models import local_model
from annotators.tiny.depth import save_depth_model


def test_nearest_pixel_is_white_and_farthest_black_whatever_the_scale() -> None:
    nearness = np.random.default_rng(0).normal(size=(20, 30))
    made = depth_map(nearness)
    assert (made.min(), made.max()) == (0, 255)
    assert made.flat[nearness.argmax()] == 255
    assert (depth_map(nearness * 7 - 3) == made).all()


def test_an_image_of_one_depth_is_black() -> None:
    assert not depth_map(np.full((4, 4), 3.0, np.float32)).any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_overflow_is_an_error_and_no_map(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        depth_map(np.array([[0.0, bad]]))


def test_distances_of_metric_networks_are_inverted(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    nearness = load_depth_network("depth", save_depth_model(tmp_path / "metric", kind="metric"))([image])[0]
    assert nearness.min() >= 1 / 20  # the tiny network sees no farther than 20 m


def test_map_is_what_the_network_gives_stretched(tmp_path: Path) -> None:
    folder = save_depth_model(tmp_path / "depth")
    image = np.random.default_rng(0).integers(0, 256, (70, 70, 3), dtype=np.uint8)
    (made,) = Depth(local=local_model("depth", folder)).load(tmp_path)({"target": image}, np.random.default_rng(0))
    assert (made.image == depth_map(load_depth_network("depth", folder)([image])[0])).all()
