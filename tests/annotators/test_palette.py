import warnings

import numpy as np

from annotators.palette import ADE20K, color_labels, paint_masks, region_palette


def test_ade20k_has_a_colour_for_each_of_its_150_classes_and_only_two_share_one() -> None:
    assert ADE20K.shape == (150, 3)
    assert len(np.unique(ADE20K, axis=0)) == 149  # road and refrigerator are both (140, 140, 140), as published
    assert ADE20K[[0, 2, 12]].tolist() == [[120, 120, 120], [6, 230, 230], [150, 5, 61]]  # wall, sky, person


def test_ade20k_is_the_palette_that_controlnet_uses() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries that its other detectors would use
        from controlnet_aux.util import ade_palette

    assert ADE20K.tolist() == ade_palette()[:150]


def test_regions_have_colours_of_their_own_that_are_not_black() -> None:
    palette = region_palette(300)
    assert len(np.unique(palette, axis=0)) == 300
    assert palette.max(axis=1).min() > 100
    assert (region_palette(10) == palette[:10]).all()
    assert region_palette(0).shape == (0, 3)


def test_small_masks_lie_on_large_ones_in_whatever_order_they_come() -> None:
    large, middle, small = np.zeros((3, 8, 8), bool)
    large[:, :], middle[2:6, 2:6], small[3, 3] = True, True, True
    for masks in ([large, middle, small], [small, large, middle]):
        labels = paint_masks(np.array(masks))
        assert (labels[0, 0], labels[2, 2], labels[3, 3]) == (1, 2, 3)


def test_no_mask_is_all_background() -> None:
    labels = paint_masks(np.zeros((0, 4, 6), bool))
    assert labels.shape == (4, 6)
    assert not labels.any()


def test_labels_take_their_colours() -> None:
    assert color_labels(np.array([[1], [0]]), ADE20K).tolist() == [[[180, 120, 120]], [[120, 120, 120]]]
