"""Photographs that installed packages ship, so that the first run needs nothing of the user's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from graph200k.errors import PlanError

_CAPTIONS = {
    "astronaut": "An astronaut in an orange suit smiles in front of a flag and a model of a space shuttle.",
    "camera": "A man in a coat looks through a film camera on a tripod on a lawn.",
    "chelsea": "A ginger tabby cat looks to the side, its face close to the camera.",
    "coffee": "A cup of espresso on a saucer with a spoon, on a wooden table.",
    "rocket": "A rocket on its launch pad between four lightning towers, under floodlights.",
    "hubble_deep_field": "A field of distant galaxies in many colours on black.",
    "brick": "A wall of bricks in a regular bond.",
    "grass": "Blades of grass seen from above.",
    "clock": "A large clock face, blurred by motion.",
    "moon": "Craters on the surface of the moon.",
}
"""Photographs in scikit-image's wheel; the rest of its data is fetched from the network."""


def write_demo(out: Path) -> int:
    """Write the demo photographs, with captions beside them, into ``out``; return how many there are.

    Raises
    ------
    PlanError
        If scikit-image or matplotlib is not installed.
    """
    try:
        from matplotlib import cbook
        from skimage import data
    except ImportError as error:
        raise PlanError(
            f"the demo photographs come with {error.name}, which is not installed; install the extra `graph200k[demo]`"
        ) from None
    out.mkdir(parents=True, exist_ok=True)
    for name, caption in _CAPTIONS.items():
        _write(out / f"{name}.png", getattr(data, name)(), caption)
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        _write(out / "grace_hopper.png", np.asarray(Image.open(file)), "A rear admiral in uniform before a flag.")
    return len(_CAPTIONS) + 1


def _write(path: Path, image: np.ndarray, caption: str) -> None:
    Image.fromarray(image).save(path)
    path.with_suffix(".txt").write_text(caption + "\n")
