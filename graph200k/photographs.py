"""Pictures that others made, of any format and mode that Pillow reads, as uint8 RGB."""

from __future__ import annotations

import io
import warnings
from functools import lru_cache

import numpy as np
from PIL import Image, ImageOps

from graph200k.codecs import DEFAULT_LIMITS, PILLOW_ERRORS, Limits, decode_image, open_picture, pillow_errors
from graph200k.errors import ImageDecodeError


def read_photograph(data: bytes, *, limits: Limits = DEFAULT_LIMITS) -> np.ndarray:
    """Return any picture Pillow reads as uint8 H×W×3: upright (EXIF), in sRGB, transparency over white.

    Raises
    ------
    ImageDecodeError
        If the bytes are no image, are damaged, animated, too large or too small.
    """
    picture = open_picture(data, limits, formats=_still_formats())
    with warnings.catch_warnings(), pillow_errors(picture):
        warnings.simplefilter("ignore")  # what Pillow has to say about odd metadata
        frames = getattr(picture, "n_frames", 1)
        # An MPO is a JPEG with previews behind it: cameras and telephones write them under the name .jpg.
        if frames > 1 and picture.format != "MPO":
            raise ImageDecodeError(f"animated or multi-page {picture.format} with {frames} frames; "
                                   "expected a still image")  # fmt: skip
        if min(picture.size) < limits.min_side_px:
            width, height = picture.size
            raise ImageDecodeError(f"{width}×{height} px; expected at least {limits.min_side_px} px on each side")
        profile = picture.info.get("icc_profile")
        picture.load()
        return np.asarray(_to_rgb(_to_8_bit(_upright(picture)), profile))


def read_map(data: bytes, *, channels: int, bits: int = 8, limits: Limits = DEFAULT_LIMITS) -> np.ndarray:
    """Return an annotation made elsewhere as uint8, H×W for ``channels=1``, else H×W×3; for ``bits=16`` as uint16, H×W.

    Raises
    ------
    ImageDecodeError
        As :func:`read_photograph`, whose conversions are used too, but for the smallest size. Of 16 bits, as
        :func:`decode_image`: what is lost in 8 does not come back.
    """
    if bits == 16:
        return decode_image(data, channels=channels, bits=bits, limits=limits)
    unlimited_size = Limits(max_bytes=limits.max_bytes, max_pixels=limits.max_pixels, min_side_px=1)
    image = read_photograph(data, limits=unlimited_size)
    return np.asarray(Image.fromarray(image).convert("L")) if channels == 1 else image


@lru_cache(maxsize=1)
def _still_formats() -> tuple[str, ...]:
    """Return Pillow's formats without those that start another program (Ghostscript) or hold no pixels."""
    Image.init()
    return tuple(name for name in Image.ID if name not in ("EPS", "MPEG", "WMF"))


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except PILLOW_ERRORS:
        return picture  # damaged metadata says nothing about the pixels


def _to_8_bit(picture: Image.Image) -> Image.Image:
    """Scale 16- and 32-bit greyscale to 8 bits; Pillow's own conversion clips instead."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture, dtype=np.float64)
    if picture.mode == "F" and not np.isfinite(values).all():
        raise ImageDecodeError("floating-point image with NaN or infinite values")
    if picture.mode.startswith("I;16") or (picture.mode == "I" and values.max(initial=0) > 255):
        values = values / 257.0
    elif picture.mode == "F" and values.max(initial=0) <= 1.0:
        values = values * 255.0
    return Image.fromarray(np.clip(np.rint(values), 0, 255).astype(np.uint8))


def _to_rgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if picture.mode in ("LA", "La", "PA", "RGBa") or (
        picture.mode in ("P", "L", "RGB") and "transparency" in picture.info
    ):
        picture = picture.convert("RGBA")
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    opaque = picture.convert("RGB") if alpha is not None or picture.mode == "P" else picture
    colour = _to_srgb(opaque, profile)
    if alpha is None:
        return colour
    white = Image.new("RGB", colour.size, "white")
    return Image.composite(colour, white, alpha)


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    if profile is None or picture.mode not in ("RGB", "CMYK", "L"):
        return picture.convert("RGB")
    from PIL import ImageCms  # only photographs with a profile need the colour engine

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return picture.convert("RGB")  # a broken or mismatched profile says nothing about the colours
    assert converted is not None
    return converted
