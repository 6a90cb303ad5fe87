from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from annotators.degradations.sharpening import LEVELS, unsharp_mask


@pytest.mark.parametrize("arguments", LEVELS["unsharp_mask"])
def test_it_is_an_unsharp_mask_in_float(arguments, photo, psnr) -> None:
    kernel = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 1.1**2))
    kernel /= kernel.sum()
    exact = photo.astype(np.float64)
    # The blurred image is rounded before it is subtracted: with the amount, that error is what 40 dB allow.
    blurred = np.rint(ndimage.convolve1d(ndimage.convolve1d(exact, kernel, 0, mode="mirror"), kernel, 1, mode="mirror"))
    plain = np.clip(exact + arguments["amount"] * (exact - blurred), 0, 255)
    assert psnr(unsharp_mask(photo, **arguments), plain) > 40


def test_more_is_sharper(sized_photo) -> None:
    steps = [
        np.abs(np.diff(image.astype(int), axis=1)).mean()
        for image in (sized_photo, *(unsharp_mask(sized_photo, **arguments) for arguments in LEVELS["unsharp_mask"]))
    ]
    assert steps == sorted(steps)
    assert steps[1] > 1.5 * steps[0]


def test_an_edge_gets_a_halo_on_both_sides_and_flat_areas_stay() -> None:
    edge = np.full((40, 40, 3), 100, np.uint8)
    edge[:, 20:] = 150
    row = unsharp_mask(edge, amount=2.0, window=5)[20, :, 0]
    assert row[19] < 90
    assert row[20] > 160
    assert row[:16].tolist() == [100] * 16
