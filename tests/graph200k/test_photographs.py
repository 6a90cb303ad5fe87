"""Pictures of any format are read right or refused in one line."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from graph200k.catalogue import Codec
from graph200k.codecs import (
    Limits,
    decode_image,
    encode_image,
)
from graph200k.errors import ImageDecodeError
from graph200k.photographs import read_map, read_photograph
from support.pictures import draw_scene, saved


def is_one_line(error: BaseException) -> bool:
    return "\n" not in str(error) and 10 < len(str(error)) < 400


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and holds nothing."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@given(
    data=st.binary(max_size=400),
    start=st.sampled_from([b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"II*\0", b"GIF89a"]),
)
@settings(max_examples=150)
def test_no_bytes_make_the_decoders_fail_in_another_way(data: bytes, start: bytes) -> None:
    for read in (lambda: decode_image(start + data, channels=3), lambda: read_photograph(start + data)):
        with pytest.raises(ImageDecodeError) as caught:
            read()
        assert is_one_line(caught.value)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP", "TGA", "PPM", "JPEG2000", "ICO"])
@given(data=st.data())
@settings(max_examples=25)
def test_a_flipped_byte_gives_an_image_or_an_error_of_ours(format: str, data: st.DataObject) -> None:
    good = bytearray(saved(Image.fromarray(draw_scene(1)), format))
    for _ in range(3):
        good[data.draw(st.integers(0, len(good) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        image = read_photograph(bytes(good), limits=Limits(max_pixels=1_000_000))
        assert image.dtype == np.uint8 and image.ndim == 3
    except ImageDecodeError as error:
        assert is_one_line(error)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"just text", "not an image"),
        (png_header(12_000, 10_000), r"12000×10000 px; the limit is 100,000,000 pixels"),
        (png_header(2**31 - 1, 2**31 - 1), "too many pixels; the limit is 100,000,000"),
        (png_header(64, 64), "damaged PNG"),
        (saved(Image.new("RGB", (31, 500)), "PNG"), "31×500 px; expected at least 32"),
        (saved(Image.new("RGB", (1, 1)), "PNG"), "1×1 px"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n%%EndComments\n", "not an image"),
    ],
    ids=["empty", "text", "bomb", "giant", "no pixels", "narrow", "dot", "program"],
)
def test_what_is_refused_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(ImageDecodeError, match=reason):
        read_photograph(data)


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_an_animation_is_refused(format: str) -> None:
    frames = [Image.fromarray(draw_scene(number)) for number in range(3)]
    data = saved(frames[0], format, save_all=True, append_images=frames[1:])
    with pytest.raises(ImageDecodeError, match="3 frames; expected a still image"):
        read_photograph(data)


def test_a_jpeg_with_previews_behind_it_is_a_photograph() -> None:
    frames = [Image.fromarray(draw_scene(number)) for number in range(2)]
    image = read_photograph(saved(frames[0], "MPO", save_all=True, append_images=frames[1:], quality=95))
    assert np.abs(image.astype(int) - draw_scene(0)).mean() < 4


def test_limits_on_bytes_and_pixels_are_those_given() -> None:
    data = encode_image(draw_scene(1), Codec.PNG)
    with pytest.raises(ImageDecodeError, match=r"bytes; the limit is 100"):
        read_photograph(data, limits=Limits(max_bytes=100))
    with pytest.raises(ImageDecodeError, match=r"96×64 px; the limit is 6,143 pixels"):
        read_photograph(data, limits=Limits(max_pixels=96 * 64 - 1))
    assert read_photograph(data, limits=Limits(max_pixels=96 * 64)).shape == (64, 96, 3)


def _orient(scene: np.ndarray, orientation: int) -> np.ndarray:
    """Return how a picture looks upright that is stored with an EXIF orientation (TIFF 6.0, tag 274)."""
    turned: dict[int, Callable[[], np.ndarray]] = {
        1: lambda: scene,
        2: lambda: scene[:, ::-1],
        3: lambda: scene[::-1, ::-1],
        4: lambda: scene[::-1],
        5: lambda: scene.swapaxes(0, 1),
        6: lambda: np.rot90(scene, -1),
        7: lambda: scene.swapaxes(0, 1)[::-1, ::-1],
        8: lambda: np.rot90(scene, 1),
    }
    return turned[orientation]()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    data = saved(Image.fromarray(draw_scene(1)), "PNG", exif=exif)
    assert np.array_equal(read_photograph(data), _orient(draw_scene(1), orientation))


def test_damaged_exif_does_not_hide_the_pixels() -> None:
    exif = Image.Exif()
    exif[274] = 6
    raw = bytearray(exif.tobytes())
    raw[-20:] = b"\xff" * 20
    data = saved(Image.fromarray(draw_scene(1)), "JPEG", exif=bytes(raw))
    assert read_photograph(data).shape in {(64, 96, 3), (96, 64, 3)}


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    ramp = np.linspace(0, 65535, 64).astype(np.uint16)
    values = np.repeat(ramp[None], 48, 0)
    for data in (saved(Image.fromarray(values), "PNG"), saved(Image.fromarray(values), "TIFF")):
        image = read_photograph(data)
        assert np.array_equal(image[:, :, 0], np.rint(values / 257).astype(np.uint8))
        assert (image[..., :1] == image).all()


def test_floating_point_grey_from_0_to_1_is_scaled() -> None:
    values = np.repeat(np.linspace(0, 1, 64, dtype=np.float32)[None], 48, 0)
    image = read_photograph(saved(Image.fromarray(values), "TIFF"))
    assert np.array_equal(image[..., 0], np.rint(values.astype(np.float64) * 255).astype(np.uint8))


def test_floating_point_that_is_no_number_is_refused() -> None:
    values = np.full((48, 64), np.nan, np.float32)
    with pytest.raises(ImageDecodeError, match="NaN"):
        read_photograph(saved(Image.fromarray(values), "TIFF"))


def test_cmyk_is_turned_into_rgb() -> None:
    inks = Image.merge("CMYK", [Image.new("L", (64, 48), value) for value in (0, 255, 255, 0)])
    image = read_photograph(saved(inks, "TIFF"))
    assert image.shape == (48, 64, 3)
    assert (np.abs(image.astype(int) - (255, 0, 0)) <= 2).all()
    assert (np.abs(read_photograph(saved(inks, "JPEG", quality=95)).astype(int) - (255, 0, 0)) <= 6).all()


def test_transparency_lies_over_white() -> None:
    alpha = np.repeat(np.linspace(0, 255, 64, dtype=np.uint8)[None], 48, 0)
    rgba = np.dstack([np.full_like(alpha, 255), np.zeros_like(alpha), np.zeros_like(alpha), alpha])
    image = read_photograph(saved(Image.fromarray(rgba), "PNG"))
    assert np.abs(image[..., 1].astype(int) - (255 - alpha.astype(int))).max() <= 1
    assert (image[..., 0] == 255).all()


def test_a_transparent_palette_entry_lies_over_white() -> None:
    indices = np.zeros((48, 64), np.uint8)
    indices[:, 32:] = 1
    picture = Image.frombytes("P", (64, 48), indices.tobytes())
    picture.putpalette([255, 0, 0, 0, 0, 255])
    for transparency in (0, bytes([0, 255])):
        image = read_photograph(saved(picture, "PNG", transparency=transparency))
        assert (image[:, :32] == 255).all()
        assert (image[:, 32:] == (0, 0, 255)).all()


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "YCbCr", "CMYK", "LAB", "HSV", "I", "F", "I;16"])
def test_every_mode_gives_an_image_or_a_reason(mode: str) -> None:
    picture = Image.new(mode, (64, 48))
    for format in ("TIFF", "PNG"):
        try:
            data = saved(picture, format)
        except (OSError, ValueError, KeyError):
            continue
        try:
            assert read_photograph(data).shape == (48, 64, 3)
        except ImageDecodeError as error:
            assert mode in {"LAB", "HSV"}
            assert is_one_line(error)


def test_a_colour_profile_is_applied() -> None:
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    scene = Image.fromarray(draw_scene(1))
    same = read_photograph(saved(scene, "PNG", icc_profile=srgb))
    assert np.abs(same.astype(int) - draw_scene(1)).max() <= 1
    for broken in (swapped, b"no profile", srgb[:200]):
        assert np.array_equal(read_photograph(saved(scene, "PNG", icc_profile=broken)), draw_scene(1))


def test_a_map_may_be_of_any_size_and_is_grey_where_it_has_one_channel() -> None:
    data = encode_image(np.full((1, 3), 9, np.uint8), Codec.PNG)
    assert read_map(data, channels=1).tolist() == [[9, 9, 9]]
    assert read_map(data, channels=3).shape == (1, 3, 3)


def test_reading_leaves_the_warning_filters_as_they_were() -> None:
    before = list(warnings.filters)
    read_photograph(encode_image(draw_scene(1), Codec.PNG))
    assert warnings.filters == before
