"""The zoo of single image files: what each must become, or why it must be refused."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, PngImagePlugin

from support.ingesting import picture

SIZE = (48, 64)


@dataclass(frozen=True)
class Animal:
    """A file, and what must come of it: pixels, or a failure."""

    name: str
    build: Callable[[Path], None]
    pixels: Callable[[], np.ndarray] | None = None
    tolerance: float = 3.0
    error: str = ""
    message: str = ""


def _save(**options: object) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(picture()).save(path, **options)  # type: ignore[arg-type]


def _bytes(data: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(data) and None


def _encoded(form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture()).save(buffer, form, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def _noise_jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 96, 3)).astype(np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def _frames(count: int) -> list[Image.Image]:
    return [Image.fromarray(picture(seed)) for seed in range(count)]


def _animated(path: Path) -> None:
    first, *rest = _frames(3)
    first.save(path, save_all=True, append_images=rest)


def _mpo(path: Path) -> None:
    first, *rest = _frames(2)
    first.save(path, "MPO", save_all=True, append_images=rest, quality=95)


def _exif_rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to see it upright
    Image.fromarray(np.rot90(picture()).copy()).save(path, quality=95, subsampling=0, exif=exif)


def _cmyk(path: Path) -> None:
    Image.fromarray(picture()).convert("CMYK").save(path, quality=95)


def _grey16(path: Path) -> None:
    Image.fromarray(_grey().astype(np.uint16) * 257).save(path)


def _grey() -> np.ndarray:
    return np.tile(np.linspace(0, 255, SIZE[1]).astype(np.uint8), (SIZE[0], 1))


def _grey_rgb() -> np.ndarray:
    return np.repeat(_grey()[..., None], 3, axis=2)


def _halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> np.ndarray:
    image = np.empty((*SIZE, 3), np.uint8)
    image[:, : SIZE[1] // 2], image[:, SIZE[1] // 2 :] = left, right
    return image


def _palette_alpha(path: Path) -> None:
    image = Image.fromarray((np.arange(SIZE[1]) >= SIZE[1] // 2).astype(np.uint8)[None].repeat(SIZE[0], 0), "L")
    palette = Image.new("P", image.size)
    palette.paste(image)
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.save(path, transparency=0)


def _rgba(path: Path) -> None:
    alpha = np.zeros(SIZE, np.uint8)
    alpha[:, SIZE[1] // 2 :] = 255
    Image.fromarray(np.dstack([_halves((255, 0, 0), (0, 0, 255)), alpha])).save(path)


def _grey_alpha(path: Path) -> None:
    Image.fromarray(_halves((0, 255, 0), (40, 255, 0))[..., :2].copy(), "LA").save(path)


def _bilevel(path: Path) -> None:
    Image.fromarray(_halves((0, 0, 0), (255, 255, 255))).convert("1").save(path)


def _float_tiff(values: np.ndarray) -> Callable[[Path], None]:
    return lambda path: Image.fromarray(values.astype(np.float32)).save(path)


def _profiled(path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(picture()).save(path, quality=95, icc_profile=profile)


def _noted(path: Path) -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "a note")
    Image.fromarray(picture()).save(path, pnginfo=notes)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, body: bytes, *, crc_error: bool = False) -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = _chunk(b"IDAT", zlib.compress(body))
    if crc_error:
        header = header[:-1] + bytes([header[-1] ^ 1])
    return b"\x89PNG\r\n\x1a\n" + header + data + _chunk(b"IEND", b"")


def _bad_exif() -> bytes:
    plain = _encoded("JPEG", quality=95, subsampling=0)
    segment = b"Exif\x00\x00MM\x00*\xff\xff\xff\xff garbage"
    return plain[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + plain[2:]


def _symlink(path: Path) -> None:
    target = path.parent / "data of link.bin"
    Image.fromarray(picture(5)).save(target, "PNG")
    path.symlink_to(target.name)


_HTML = b"<!DOCTYPE html><title>404</title>" + b" " * 2000
_EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\nshowpage\n%%EOF\n"

ACCEPTED = [
    Animal("exif-rotated.jpg", _exif_rotated, picture),
    Animal("cmyk.jpg", _cmyk, picture, tolerance=5),
    Animal("grey16.png", _grey16, _grey_rgb),
    Animal("grey16.tif", _grey16, _grey_rgb),
    Animal("grey.png", lambda path: Image.fromarray(_grey()).save(path), _grey_rgb),
    Animal("palette-alpha.png", _palette_alpha, lambda: _halves((255, 255, 255), (0, 0, 255)), tolerance=5),
    Animal("rgba.png", _rgba, lambda: _halves((255, 255, 255), (0, 0, 255)), tolerance=5),
    Animal("grey-alpha.png", _grey_alpha, lambda: _halves((0, 0, 0), (40, 40, 40))),
    Animal("rgba.webp", _rgba, lambda: _halves((255, 255, 255), (0, 0, 255)), tolerance=8),
    Animal("bilevel.png", _bilevel, lambda: _halves((0, 0, 0), (255, 255, 255))),
    Animal("float.tif", _float_tiff(np.tile(np.linspace(0, 1, SIZE[1]), (SIZE[0], 1))), _grey_rgb),
    Animal("photo.webp", _save(lossless=True), picture),
    Animal("photo.bmp", _save(), picture),
    Animal("photo.tiff", _save(), picture),
    Animal("photo.ppm", _save(), picture),
    Animal("still.gif", _save(), picture, tolerance=12),
    Animal("progressive.jpg", _save(quality=95, progressive=True), picture),
    Animal("profiled.jpg", _profiled, picture),
    Animal("mpo-of-a-telephone.jpg", _mpo, picture),
    Animal("wrong-extension.png", _bytes(_encoded("JPEG", quality=95)), picture),
    Animal("metadata.png", _noted, picture),
    Animal("damaged-exif.jpg", _bytes(_bad_exif()), picture),
    Animal("UPPER.JPG", _save(quality=94), picture),
    Animal("two.dots.in it.jpeg", _save(quality=93), picture),
    Animal("été-猫.jpg", _save(quality=92), picture),
    Animal("link.png", _symlink, lambda: picture(5)),
    Animal("ours.jpg", _save(quality=95, subsampling=0), picture),
]

REFUSED = [
    Animal("truncated.jpg", _bytes(_noise_jpeg()[:4000]), error="bad_image", message="damaged JPEG"),
    Animal("truncated.png", _bytes(_encoded("PNG")[:300]), error="bad_image", message="damaged PNG"),
    Animal("truncated.webp", _bytes(_encoded("WEBP")[:60]), error="bad_image", message="image"),
    Animal("bomb.png", _bytes(_png(60000, 60000, b"\0" * 10**6)), error="bad_image", message="pixels"),
    Animal(
        "big.png", _bytes(_png(12000, 12000, b"\0" * 10**6)), error="bad_image", message="12000×12000 px; the limit"
    ),
    Animal("empty.jpg", _bytes(b""), error="bad_image", message=r"empty file \(0 bytes\)"),
    Animal("text.jpg", _bytes(b"I am a text.\n" * 40), error="bad_image", message="not an image that can be read"),
    Animal("page.png", _bytes(_HTML), error="bad_image", message="not an image that can be read"),
    Animal("random.png", _bytes(os.urandom(4000)), error="bad_image", message="not an image that can be read"),
    Animal("bad-crc.png", _bytes(_png(64, 48, b"\0" * 65 * 48, crc_error=True)), error="bad_image", message="image"),
    Animal("animated.gif", _animated, error="bad_image", message="animated or multi-page GIF with 3 frames"),
    Animal("animated.webp", _animated, error="bad_image", message="animated or multi-page WEBP with 3 frames"),
    Animal("pages.tif", _animated, error="bad_image", message="animated or multi-page TIFF with 3 frames"),
    Animal("1x1.png", _bytes(_png(1, 1, b"\0\0")), error="bad_image", message="1×1 px; expected at least 32 px"),
    Animal("1x20000.png", _bytes(_png(1, 20000, b"\0\0" * 20000)), error="bad_image", message="1×20000 px; expected"),
    Animal("nan.tif", _float_tiff(np.full(SIZE, np.nan)), error="bad_image", message="NaN"),
    Animal("postscript.eps", _bytes(_EPS), error="bad_image", message="not an image that can be read"),
    Animal("nowhere.jpg", lambda path: path.symlink_to("missing"), error="unreadable", message="link to nowhere"),
    Animal("pipe.jpg", lambda path: os.mkfifo(path), error="unreadable", message="not a regular file"),
]
