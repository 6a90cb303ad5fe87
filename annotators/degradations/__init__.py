"""The 32 online degradations of the target image, usable on their own.

They need numpy, OpenCV, Pillow and SciPy; where stringzilla is installed, tone curves are faster.

Examples
--------
>>> import numpy as np
>>> from annotators.degradations import degrade
>>> photo = np.full((64, 96, 3), 128, np.uint8)
>>> degraded, params = degrade(photo, "low_light", np.random.default_rng(0))
>>> degraded.shape, sorted(params)
((64, 96, 3), ['factor'])
"""

from annotators.degradations.base import NAMES, Degradation, ImageArrayError, Params, degradations, degrade, replay

__all__ = ["NAMES", "Degradation", "ImageArrayError", "Params", "degradations", "degrade", "replay"]
