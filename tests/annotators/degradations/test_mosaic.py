from __future__ import annotations

import numpy as np

from annotators.degradations import replay


def test_each_site_keeps_its_own_colour_and_no_other(sized_photo) -> None:
    raw = replay(sized_photo, "mosaic", {})
    plain = np.zeros_like(sized_photo)
    rows, columns = np.indices(sized_photo.shape[:2])
    channel = np.where(rows % 2 == 0, np.where(columns % 2 == 0, 0, 1), np.where(columns % 2 == 0, 1, 2))  # RG / GB
    for index in range(3):
        plain[..., index] = np.where(channel == index, sized_photo[..., index], 0)
    assert np.array_equal(raw, plain)
