"""How an image fills a cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from graph200k.catalogue import GRAPH200K, Codec, Pixels
from sampler.fit import fit_image, fit_picture, shown_size
from support.pictures import draw_scene

sides = st.integers(32, 200)


def halves(height: int, width: int) -> np.ndarray:
    """Return a picture that is red in its left half and green in its right half, with a blue frame."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, : width // 2], image[:, width // 2 :] = (200, 0, 0), (0, 200, 0)
    image[:4], image[-4:], image[:, :4], image[:, -4:] = ((0, 0, 200),) * 4
    return image


@pytest.mark.parametrize("pixels", list(Pixels))
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@given(height=sides, width=sides, size=st.tuples(sides, sides))
def test_every_picture_fills_every_cell(
    fit: str, pixels: Pixels, height: int, width: int, size: tuple[int, int]
) -> None:
    image = np.full((height, width, 3), 99, np.uint8)
    cell = fit_image(image, size, fit, pixels=pixels)  # type: ignore[arg-type]
    assert cell.shape == (*size, 3)
    assert cell.dtype == np.uint8
    assert cell.flags.c_contiguous and cell.flags.writeable
    assert fit_image(image[..., 0], size, fit, pixels=pixels).shape == size  # type: ignore[arg-type]


def test_cropping_keeps_the_middle_and_cuts_both_ends_alike() -> None:
    cell = fit_image(halves(100, 200), (50, 50), "crop")
    assert (cell[25, :24, 0] > 150).all() and (cell[25, 26:, 1] > 150).all()  # no blue at the sides
    assert (cell[0, :, 2] > 150).all() and (cell[-1, :, 2] > 150).all()


def test_padding_shows_the_whole_picture_between_black_bars() -> None:
    cell = fit_image(halves(100, 200), (64, 64), "pad")
    assert not cell[:16].any() and not cell[-16:].any()
    assert (cell[16, :, 2] > 100).all() and (cell[16:-16, 0, 2] > 100).all() and (cell[16:-16, -1, 2] > 100).all()


def test_stretching_shows_the_whole_picture_and_nothing_else() -> None:
    cell = fit_image(halves(100, 200), (64, 64), "stretch")
    assert (cell[0, :, 2] > 100).all() and (cell[:, 0, 2] > 100).all() and (cell[:, -1, 2] > 100).all()


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_picture_of_the_size_of_its_cell_stays_as_it_is(fit: str) -> None:
    for pixels in Pixels:
        scene = draw_scene(1)
        assert np.array_equal(fit_image(scene, (64, 96), fit, pixels=pixels), scene)  # type: ignore[arg-type]


def test_a_map_of_half_the_size_is_cut_at_the_same_place_as_its_photograph() -> None:
    photo = np.zeros((200, 320, 3), np.uint8)
    photo[40:100, 120:180] = 255
    half = np.asarray(Image.fromarray(photo[..., 0]).reduce(2))
    large, small = (fit_image(image, (96, 96), "crop").astype(int) for image in (photo[..., 0].copy(), half))
    assert np.abs(large - small).max() < 100  # one pixel's shift would make 255
    assert np.abs(large - small).mean() < 1


def test_colours_of_regions_are_never_mixed() -> None:
    rng = np.random.default_rng(0)
    colours = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0), (90, 120, 200)], np.uint8)
    regions = colours[np.kron(rng.integers(0, 4, (20, 30)), np.ones((11, 11), int))]
    known = {tuple(colour) for colour in colours.tolist()}
    for fit in ("crop", "pad", "stretch"):
        cell = fit_image(regions, (96, 64), fit, pixels=Pixels.REGIONS)
        assert {tuple(colour) for colour in cell.reshape(-1, 3).tolist()} <= known
    mixed = fit_image(regions, (96, 64), "crop")
    assert len({tuple(colour) for colour in mixed.reshape(-1, 3).tolist()}) > 100


@pytest.mark.parametrize("side", [512, 768, 1024, 2048])
def test_a_line_of_one_pixel_stays_bright_at_384(side: int) -> None:
    edges = np.zeros((side, side), np.uint8)
    edges[side // 3], edges[:, side // 5] = 255, 255
    np.fill_diagonal(edges, 255)
    cell = fit_image(edges, (384, 384), "crop", pixels=Pixels.LINES)
    away = np.ones(384, bool)
    away[[*range(70, 84), *range(120, 136)]] = False  # crossings
    assert (cell[120:136].max(axis=0) >= 125).all()  # a line half on each of two rows has half the light on each
    assert cell[120:136].astype(int).sum(axis=0)[away].min() >= 225
    assert (cell[:, 70:84].max(axis=1) >= 125).all()
    assert cell[200:, :60].max() == 0  # and what was black stays black


def test_photographs_are_averaged_and_not_sampled() -> None:
    board = (np.indices((256, 256)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert np.abs(fit_image(board, (64, 64), "crop").astype(int) - 127).max() < 20


def test_an_extent_leaves_out_what_lies_beyond() -> None:
    image = np.full((50, 51, 3), 80, np.uint8)
    image[:, 50] = 255
    cell = fit_picture(Image.fromarray(image), (25, 25), "crop", pixels=Pixels.REGIONS, extent=(50.0, 50.0))
    assert np.asarray(cell).max() == 80


def test_another_fit_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="fit is 'fill'; expected crop, pad, stretch"):
        shown_size((1.0, 1.0), (2, 2), "fill")  # type: ignore[arg-type]


def test_maps_whose_pixels_are_names_of_regions_are_stored_without_loss() -> None:
    regions = [entry.name for entry in GRAPH200K.values() if entry.pixels is Pixels.REGIONS]
    assert regions == ["segmentation", "sam2_mask", "bbox", "mask"]
    assert all(entry.codec is Codec.PNG for entry in GRAPH200K.values() if entry.pixels is not Pixels.TONES)
