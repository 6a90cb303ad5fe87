"""Images computed on access from stored members: the halves that a foreground matte cuts a photograph into."""

from __future__ import annotations

import numpy as np


def cut_out(target: np.ndarray, matte: np.ndarray, *, keep: str) -> np.ndarray:
    """Return ``target`` with one half blacked out.

    Parameters
    ----------
    target
        uint8, H×W×3.
    matte
        uint8, H×W; 255 is foreground.
    keep
        ``foreground`` or ``background``.

    Examples
    --------
    >>> target = np.full((1, 2, 3), 200, np.uint8)
    >>> cut_out(target, np.array([[255, 0]], np.uint8), keep="background")[0, :, 0].tolist()
    [0, 200]
    """
    weight = matte if keep == "foreground" else 255 - matte
    product = target.astype(np.uint16) * weight[..., None]
    half: np.ndarray = ((product + 127) // 255).astype(np.uint8)
    return half
