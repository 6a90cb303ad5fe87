import numpy as np
import pytest

from annotators.degradations import lookup

SHAPES = [(64, 96, 3), (33, 35, 3), (17, 5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_look_up_is_the_table_at_each_level(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    image, table = rng.integers(0, 256, shape, dtype=np.uint8), rng.integers(0, 256, 256, dtype=np.uint8)
    given = image.copy()
    assert np.array_equal(lookup.look_up(image, table), table[image])
    assert np.array_equal(image, given)


@pytest.mark.parametrize("shape", SHAPES)
def test_opencv_alone_gives_the_same(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    image, table = rng.integers(0, 256, shape, dtype=np.uint8), rng.integers(0, 256, 256, dtype=np.uint8)
    assert lookup.stringzilla is not None, "the extra `degradations` installs it"
    fast = lookup.look_up(image, table)
    monkeypatch.setattr(lookup, "stringzilla", None)
    assert np.array_equal(lookup.look_up(image, table), fast)
