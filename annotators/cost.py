"""How much work generators are, by formula: the operations of their networks on so many tokens. No measurement."""

from __future__ import annotations

FLUX_TEXT_TOKENS = 512
REDUX_TOKENS = 729
"""A picture as Redux describes it: 27 × 27 patches."""

ASSUMED_TFLOP_PER_S = 400.0
"""What a GPU is taken to do: an H100's 989 TFLOP/s in bf16, at 40 %. No measurement; what runs took replaces it."""

_FLUX_WEIGHTS_A_TOKEN = 5.38e9 + 6.46e9 / 2
"""Of 38 single blocks, and of 19 double ones, of which a token passes half: its own stream's."""
_FLUX_BLOCKS, _FLUX_WIDTH = 57, 3072
_SDXL_STEP_TFLOP = 6.0 + 2.0
"""Of the UNet and of the ControlNet on 1024 × 1024 pixels."""


def flux_tflop(pixels: float, steps: int, *, described: bool = False) -> float:
    """Return the operations of one picture of FLUX.1, in 10¹²: weights twice a token, and attention.

    Parameters
    ----------
    pixels
        Of the picture; 256 make a token.
    steps
        Denoising steps, each of one pass: guidance is distilled.
    described
        Whether Redux' tokens stand beside the prompt's.

    Examples
    --------
    >>> round(flux_tflop(1024**2, 1)), round(flux_tflop(512**2, 1))
    (94, 28)
    """
    tokens = pixels / 256 + FLUX_TEXT_TOKENS + (REDUX_TOKENS if described else 0)
    return steps * (2 * _FLUX_WEIGHTS_A_TOKEN * tokens + _FLUX_BLOCKS * 4 * tokens**2 * _FLUX_WIDTH) / 1e12


def sdxl_tflop(pixels: float, steps: int) -> float:
    """Return the operations of one picture of SDXL with a ControlNet, in 10¹²: two passes a step, for guidance.

    Examples
    --------
    >>> round(sdxl_tflop(1024**2, 30))
    480
    """
    return 2 * steps * _SDXL_STEP_TFLOP * pixels / 1024**2
