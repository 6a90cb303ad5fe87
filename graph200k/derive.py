"""Images computed on access from stored members: the halves that a foreground matte cuts a photograph into."""

from __future__ import annotations

import numpy as np

from graph200k.catalogue import NodeType

MATTE = "matte"
"""Role of the image that says how much of each pixel is foreground."""


def matte_node(entry: NodeType) -> str | None:
    """Return the node type whose matte cuts the image of ``entry`` out of the target, None if it is no such half.

    Examples
    --------
    >>> from graph200k.catalogue import GRAPH200K
    >>> [matte_node(GRAPH200K[name]) for name in ("foreground", "background", "canny")]
    ['foreground', 'foreground', None]
    """
    if MATTE in entry.roles:
        return entry.name
    return entry.derived_from[0] if entry.derived_from else None


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
    product: np.ndarray = np.multiply(target, weight[..., None], dtype=np.uint16)
    # Division by 255, rounded, in shifts: exact for all products of two bytes.
    product += 128
    product += product >> 8
    product >>= 8
    half: np.ndarray = product.astype(np.uint8)
    return half
