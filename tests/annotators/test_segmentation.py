from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from annotators.models import local_model
from annotators.palette import ADE20K
from annotators.segmentation import Segmentation, load_segmentation_network
from annotators.tiny.segmentation import save_upernet
from graph200k.errors import MissingWeightsError
from support.tiny_models import save_mask2former, save_segformer

NOISE = np.random.default_rng(0).integers(0, 256, (600, 700, 3), dtype=np.uint8)


@pytest.mark.parametrize("save", [save_segformer, save_upernet, save_mask2former])
def test_every_family_gives_colours_of_the_palette_and_no_other(save: Callable[[Path], Path], tmp_path: Path) -> None:
    annotator = Segmentation(local=local_model("segmentation", save(tmp_path / "model")), short_side=64)
    (made,) = annotator.load(tmp_path)({"target": NOISE}, np.random.default_rng(0))
    assert made.image.shape == NOISE.shape
    assert set(map(tuple, made.image.reshape(-1, 3))) <= set(map(tuple, ADE20K))


def test_colours_are_those_of_the_classes_that_the_network_names(tmp_path: Path) -> None:
    folder = save_segformer(tmp_path / "model")
    image = NOISE[:64, :96]
    (made,) = Segmentation(local=local_model("segmentation", folder)).load(tmp_path)(
        {"target": image}, np.random.default_rng(0)
    )
    (classes,) = load_segmentation_network("segmentation", folder)([image], [(64, 96)])
    assert len(np.unique(classes)) > 1
    assert (made.image == ADE20K[classes]).all()


def test_a_network_of_other_classes_is_refused(tmp_path: Path) -> None:
    folder = save_segformer(tmp_path / "cityscapes", classes=19)
    with pytest.raises(MissingWeightsError, match="19 classes, ADE20K has 150"):
        load_segmentation_network("segmentation", folder)
