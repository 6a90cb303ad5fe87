from pathlib import Path

import numpy as np
import torch

from annotators.lines_mlsd import Mlsd, load_mlsd
from annotators.models import local_model
from annotators.tiny.controlnet_aux import save_mlsd
from annotators.together import run_together

NOISE = np.random.default_rng(0).integers(0, 256, (128, 200, 3), dtype=np.uint8)


def draw_lines(folder: Path, **parameters: float) -> np.ndarray:
    annotator = Mlsd(local=local_model("mlsd", folder), short_side=128, **parameters)
    (made,) = annotator.load(folder)({"target": NOISE}, np.random.default_rng(0))
    assert made.node == "mlsd"
    return made.image


def test_map_is_binary_and_loses_lines_at_a_higher_threshold(tmp_path: Path) -> None:
    folder = save_mlsd(tmp_path / "mlsd")
    lines = draw_lines(folder)
    assert set(np.unique(lines)) == {0, 255}
    assert not draw_lines(folder, score_threshold=1.0).any()
    assert np.count_nonzero(draw_lines(folder, min_length=1e6)) == 0


def test_a_picture_without_lines_gives_an_empty_map(tmp_path: Path) -> None:
    assert not draw_lines(save_mlsd(tmp_path / "mlsd", scale=0.0), score_threshold=0.6).any()


def test_lines_are_those_of_the_library_which_takes_one_picture_at_a_time(tmp_path: Path) -> None:
    network = load_mlsd("mlsd", save_mlsd(tmp_path / "mlsd"))
    from controlnet_aux.mlsd.utils import pred_lines  # warns when it is first imported, as loading knows

    images = [NOISE[:128, :128], NOISE[:64, :128], np.ascontiguousarray(NOISE[:128, :128][::-1])]
    annotator = Mlsd()
    with torch.inference_mode():
        for image, lines in zip(images, run_together(annotator._segments, images, network), strict=True):
            by_library = pred_lines(image, network, image.shape[:2], annotator.score_threshold, annotator.min_length)
            assert len(lines) > 10
            np.testing.assert_allclose(lines, by_library, atol=0.01)
