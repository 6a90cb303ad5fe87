from pathlib import Path

import numpy as np

from annotators.models import local_model
from annotators.normals import Normal, normal_map
from annotators.tiny.marigold import save_marigold


def test_camera_is_blue_left_is_red_up_is_green() -> None:
    vectors = np.array([[[0, 0, 1.0], [-1.0, 0, 0], [1.0, 0, 0], [0, 1.0, 0], [0, -1.0, 0]]])
    assert normal_map(vectors)[0].tolist() == [
        [128, 128, 255], [255, 128, 128], [0, 128, 128], [128, 255, 128], [128, 0, 128],
    ]  # fmt: skip


def test_noise_comes_from_the_records_seed_and_from_nothing_else(tmp_path: Path) -> None:
    parameters = {"steps": 1, "processing_resolution": 64}
    annotator = Normal(local=local_model("normal", save_marigold(tmp_path / "normal")), **parameters)
    annotate = annotator.load(tmp_path)
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    first, second, other = (
        annotate({"target": image}, np.random.default_rng(seed))[0].image.tobytes() for seed in (1, 1, 2)
    )
    assert first == second != other


def test_colours_are_those_of_unit_vectors(tmp_path: Path) -> None:
    annotator = Normal(local=local_model("normal", save_marigold(tmp_path / "normal")), processing_resolution=64)
    image = np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8)
    (made,) = annotator.load(tmp_path)({"target": image}, np.random.default_rng(0))
    lengths = np.linalg.norm(made.image / 127.5 - 1.0, axis=2)
    assert np.abs(lengths - 1).max() < 0.02
