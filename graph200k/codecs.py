"""Image codecs: strict on the way in, one fixed encoding on the way out.

Everywhere else an image is uint8, H×W×3 RGB, and a single-channel map is uint8 H×W; a raw one is uint16 H×W.
"""

from __future__ import annotations

import io
import json
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from PIL import Image, JpegImagePlugin, PngImagePlugin

from graph200k.catalogue import Codec
from graph200k.errors import ImageDecodeError, UnsafeInputError

JPEG_QUALITY = 95
PNG_COMPRESS_LEVEL = 6
"""zlib level: on line maps 4 saves a fifth of the time for files 8 % larger, 9 costs five times the time."""

_RAW_MODE = "I;16"
"""Pillow's name for one channel of 16 bits."""

PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    EOFError,
    MemoryError,
    struct.error,
    zlib.error,
    AttributeError,
    RuntimeError,
    Image.DecompressionBombError,
)
"""What Pillow's plug-ins let through when a file is broken in a way their authors did not think of."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one piece of input may cost us; everything beyond is refused with a reason."""

    max_bytes: int = 256 * 2**20
    """Encoded size of an image, in bytes."""
    max_pixels: int = 100_000_000
    """Width × height, checked from the header before anything is decoded."""
    min_side_px: int = 32
    """Shortest side of a photograph: below it no annotation means anything."""
    max_json_bytes: int = 4 * 2**20
    """Size of a JSON document, in bytes."""


DEFAULT_LIMITS = Limits()

SCALED_DECODE_MARGIN = 1.3
"""How much larger than wanted a scaled decode must be, on each side, so that what is left of the loss is not seen.

`python -m benchmarks cells` compares scaled with full decoding, both resized: 1024² photographs at 384² stay above
42 dB; where the margin is just kept and every pixel is sharp, the median is 40 dB and the worst, a lawn, 34.
"""


def decode_scale(size: tuple[int, int], wanted: tuple[float, float]) -> int:
    """Return by how much a JPEG of ``size`` may be reduced while it is decoded: 1, 2, 4 or 8.

    Parameters
    ----------
    size
        Height and width of the JPEG.
    wanted
        Height and width that the image is going to be resized to.

    Examples
    --------
    >>> [decode_scale((1024, 1024), (side, side)) for side in (192, 384, 512)]
    [4, 2, 1]
    """
    room = min(have / max(1.0, want) for have, want in zip(size, wanted, strict=True)) / SCALED_DECODE_MARGIN
    return next(scale for scale in (8, 4, 2, 1) if scale <= room or scale == 1)


def encode_image(image: np.ndarray, codec: Codec) -> bytes:
    """Return ``image`` (uint8, H×W or H×W×3 RGB; as PNG also uint16, H×W) as JPEG quality 95 4:4:4, or as PNG.

    Examples
    --------
    >>> data = encode_image(np.zeros((48, 64), np.uint8), Codec.PNG)
    >>> decode_image(data, channels=1).shape
    (48, 64)
    """
    is_raw = image.dtype == np.uint16 and image.ndim == 2 and codec is Codec.PNG
    if not is_raw and (image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,))):
        raise ValueError(f"expected uint8 H×W or H×W×3, got {image.dtype} {image.shape}")
    buffer = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(image))
    if codec is Codec.JPEG:
        picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0)
    else:
        picture.save(buffer, "PNG", compress_level=PNG_COMPRESS_LEVEL)
    return buffer.getvalue()


def decode_image(data: bytes, *, channels: int, bits: int = 8, limits: Limits = DEFAULT_LIMITS) -> np.ndarray:
    """Return a shard member as uint8, or uint16 for ``bits=16``: H×W for ``channels=1``, else H×W×3 RGB.

    Parameters
    ----------
    data
        A JPEG or PNG.
    channels
        1 or 3.
    bits
        8, or 16 for a PNG of one channel that has as many.
    limits
        What it may cost.

    Raises
    ------
    ImageDecodeError
        If the bytes are not a whole JPEG or PNG within the limits, or not of 16 bits where they should be.
    """
    if bits == 8:
        return np.asarray(decode_picture(data, channels=channels, limits=limits))
    picture = open_picture(data, limits, formats=("JPEG", "PNG"))
    if picture.mode != _RAW_MODE:
        raise ImageDecodeError(f"{picture.format} of mode {picture.mode}; expected a greyscale PNG of 16 bits")
    return np.asarray(_load(picture), np.uint16)


def decode_picture(data: bytes, *, channels: int, scale: int = 1, limits: Limits = DEFAULT_LIMITS) -> Image.Image:
    """Return a shard member as Pillow holds it, of mode ``L`` for ``channels=1``, else ``RGB``.

    For callers that stay with Pillow: an array and back would cost two copies.

    Parameters
    ----------
    data, channels, limits
        As in :func:`decode_image`, which also lists the errors.
    scale
        2, 4 or 8 decode a JPEG (whose sides are no shorter than that) at a half, a quarter or an eighth of its size,
        sides rounded up, by a smaller inverse DCT; see :func:`decode_scale`. A PNG is always decoded in full.
    """
    picture = open_picture(data, limits, formats=("JPEG", "PNG"))
    if scale > 1:
        with pillow_errors(picture):
            # Pillow takes the smallest size that is no smaller than this on either side; PNG ignores it.
            picture.draft(None, (max(1, picture.width // scale), max(1, picture.height // scale)))
    mode = "L" if channels == 1 else "RGB"
    # convert() copies even what has the mode already, which takes a tenth of the time of decoding.
    return _load(picture) if picture.mode == mode else _load(picture).convert(mode)


def is_encoded_as(data: bytes, codec: Codec, channels: int, bits: int = 8) -> bool:
    """Return whether ``data`` is already what :func:`encode_image` would store, so that its bytes can be kept.

    A second JPEG generation would only lose; a picture with metadata, another mode or other tables is not kept.
    """
    try:
        picture = open_picture(data, DEFAULT_LIMITS, formats=("JPEG", "PNG"))
    except ImageDecodeError:
        return False  # another format
    if picture.mode != (_RAW_MODE if bits == 16 else "L" if channels == 1 else "RGB"):
        return False
    if codec is Codec.PNG:
        return isinstance(picture, PngImagePlugin.PngImageFile) and not picture.info
    if not isinstance(picture, JpegImagePlugin.JpegImageFile):
        return False
    plain = set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
    return plain and JpegImagePlugin.get_sampling(picture) in (0, -1) and picture.quantization == _tables(channels)


def is_blank(image: np.ndarray, *, is_matte: bool = False) -> bool:
    """Return whether a map says nothing: no pose, no line, no box. A range under 16 grey levels is JPEG noise.

    A matte says nothing either if no pixel, or each, is more in front than behind.

    Examples
    --------
    >>> is_blank(np.zeros((4, 4), np.uint8)), is_blank(np.eye(4, dtype=np.uint8) * 255)
    (True, False)
    >>> is_blank(np.eye(4, dtype=np.uint8) * 55, is_matte=True)
    True
    """
    low, high = int(image.min()), int(image.max())
    return high - low < 16 or (is_matte and not low < 128 <= high)


def parse_json(data: bytes, *, limits: Limits = DEFAULT_LIMITS) -> object:
    """Return parsed JSON.

    Raises
    ------
    UnsafeInputError
        If it is too large, nested too deeply, or not JSON in UTF-8.
    """
    if len(data) > limits.max_json_bytes:
        raise UnsafeInputError(f"JSON of {len(data):,} bytes; the limit is {limits.max_json_bytes:,}")
    try:
        found: object = json.loads(data)
        return found
    except RecursionError:
        raise UnsafeInputError("JSON is nested too deeply") from None
    except ValueError as error:
        raise UnsafeInputError(f"not valid JSON: {error}") from None


def _tables(channels: int) -> dict[int, list[int]]:
    blank = np.zeros((8, 8) if channels == 1 else (8, 8, 3), np.uint8)
    picture = Image.open(io.BytesIO(encode_image(blank, Codec.JPEG)))
    assert isinstance(picture, JpegImagePlugin.JpegImageFile)
    return picture.quantization


def open_picture(data: bytes, limits: Limits, formats: tuple[str, ...] | None) -> Image.Image:
    """Return an image of one of Pillow's ``formats`` with its header read; ImageDecodeError if that is not possible."""
    if not data:
        raise ImageDecodeError("empty file (0 bytes)")
    if len(data) > limits.max_bytes:
        raise ImageDecodeError(f"{len(data):,} bytes; the limit is {limits.max_bytes:,}")
    try:
        with warnings.catch_warnings():
            # Pillow warns at a fixed size of its own; ours is checked below, before any pixel is decoded.
            warnings.simplefilter("ignore")
            picture = Image.open(io.BytesIO(data), formats=formats)
    except Image.DecompressionBombError:
        raise ImageDecodeError(f"too many pixels; the limit is {limits.max_pixels:,}") from None
    except PILLOW_ERRORS as error:
        raise ImageDecodeError(f"not an image that can be read ({_reason(error)})") from None
    width, height = picture.size
    if width * height > limits.max_pixels:
        raise ImageDecodeError(f"{width}×{height} px; the limit is {limits.max_pixels:,} pixels")
    return picture


def _load(picture: Image.Image) -> Image.Image:
    with pillow_errors(picture):
        picture.load()
    return picture


@contextmanager
def pillow_errors(picture: Image.Image) -> Iterator[None]:
    """Turn what Pillow raises inside into an ImageDecodeError."""
    try:
        yield
    except PILLOW_ERRORS as error:
        raise ImageDecodeError(f"damaged {picture.format or 'image'}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return "unknown or damaged format" if text.startswith("cannot identify") else text[:200]
