"""Colours of label maps: ADE20K's for its classes, and an endless deterministic row for regions without a class."""

from __future__ import annotations

import colorsys

import numpy as np

_GOLDEN = 0.618033988749895
_SHADES = ((1.0, 1.0), (0.55, 1.0), (1.0, 0.6), (0.5, 0.7))
"""Saturation and value in turn, so that neighbours in hue differ in more than hue."""

# RRGGBB of wall, building, sky, floor, … in the order of the classes, as the dataset's authors colour them
# (B. Zhou et al., "Scene Parsing through ADE20K Dataset", CVPR 2017) and every ControlNet expects them.
_ADE20K_HEX = """
787878 b47878 06e6e6 503232 04c803 787850 8c8c8c cc05ff e6e6e6 04fa07 e005ff ebff07 96053d 787846 08ff33 ff0652
8fff8c ccff04 ff3307 cc4603 0066c8 3de6fa ff0633 0b66ff ff0747 ff09e0 0907e6 dcdcdc ff095c 7009ff 08ffd6 07ffe0
ffb806 0aff47 ff290a 07ffff e0ff08 6608ff ff3d06 ffc207 ff7a08 00ff14 ff0829 ff0599 0633ff eb0cff a09614 00a3ff
8c8c8c fa0a0f 14ff00 1fff00 ff1f00 ffe000 99ff00 0000ff ff4700 00ebff 00adff 1f00ff 0bc8c8 ff5200 00fff5 003dff
00ff70 00ff85 ff0000 ffa300 ff6600 c2ff00 008fff 33ff00 0052ff 00ff29 00ffad 0a00ff adff00 00ff99 ff5c00 ff00ff
ff00f5 ff0066 ffad00 ff0014 ffb8b8 001fff 00ff3d 0047ff ff00cc 00ffc2 00ff52 000aff 0070ff 3300ff 00c2ff 007aff
00ffa3 ff9900 00ff0a ff7000 8fff00 5200ff a3ff00 ffeb00 08b8aa 8500ff 00ff5c b800ff ff001f 00b8ff 00d6ff ff0070
5cff00 00e0ff 70e0ff 46b8a0 a300ff 9900ff 47ff00 ff00a3 ffcc00 ff008f 00ffeb 85ff00 ff00eb f500ff ff007a fff500
0abed4 d6ff00 00ccff 1400ff ffff00 0099ff 0029ff 00ffcc 2900ff 29ff00 ad00ff 00f5ff 4700ff 7a00ff 00ffb8 005cff
b8ff00 0085ff ffd600 19c2c2 66ff00 5c00ff
"""

ADE20K: np.ndarray = np.array([list(bytes.fromhex(color)) for color in _ADE20K_HEX.split()], np.uint8)
"""uint8, 150×3, RGB."""
ADE20K.flags.writeable = False


def region_palette(count: int) -> np.ndarray:
    """Return ``count`` colours (uint8, count×3, RGB), none of them black; a longer row begins with a shorter one.

    Hues go round the circle by the golden ratio, so that colours next to each other in the row are far apart. After
    some hundreds, colours that the eye cannot tell apart come up.

    Examples
    --------
    >>> region_palette(2).tolist()
    [[255, 0, 0], [115, 156, 255]]
    """
    colors = [colorsys.hsv_to_rgb(index * _GOLDEN % 1.0, *_SHADES[index % len(_SHADES)]) for index in range(count)]
    return np.rint(np.array(colors).reshape(count, 3) * 255).astype(np.uint8)


def color_labels(labels: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Return a label map (integers, H×W) in the colours of a palette (uint8, N×3) as an image (uint8, H×W×3).

    Examples
    --------
    >>> color_labels(np.array([[0, 2]]), ADE20K).tolist()
    [[[120, 120, 120], [6, 230, 230]]]
    """
    return palette[labels]


def paint_masks(masks: np.ndarray) -> np.ndarray:
    """Return N masks (bool, N×H×W) as a label map (int32, H×W): 0 where none is, 1 to N by size, the largest is 1.

    Small masks are painted over large ones: a part is seen on the whole it belongs to. Of masks of one size, the later
    one lies on top.

    Examples
    --------
    >>> paint_masks(np.array([[[False, True, False]], [[True, True, False]]])).tolist()
    [[1, 2, 0]]
    """
    labels = np.zeros(masks.shape[1:], np.int32)
    by_size = np.argsort(-masks.sum(axis=(1, 2)), kind="stable")
    for label, index in enumerate(by_size, start=1):
        labels[masks[index]] = label
    return labels
