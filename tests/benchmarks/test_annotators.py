import os

import numpy as np
import pytest
from skimage import data

from annotators.weights import default_weights_folder
from benchmarks import annotators
from pipelines.annotate.config import PRESETS


def test_every_annotator_of_the_preset_default_has_a_bare_call() -> None:
    assert set(annotators.BARE) == set(annotators.LIBRARY) == set(PRESETS["default"])


@pytest.mark.parametrize("name", ["canny", "foreground"])
def test_what_is_timed_on_both_sides_makes_the_same_map(name: str) -> None:
    (ours,) = annotators.loaded(name)()
    bare = annotators.BARE[name](data.astronaut(), default_weights_folder(os.environ))()
    found = bare[0] if isinstance(bare, list) else bare
    assert np.array_equal(ours.image, np.asarray(found))
