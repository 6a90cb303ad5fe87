"""Images are read right or refused in one line; what is stored is always the same for the same pixels."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image, ImageCms

from graph200k.catalogue import Codec
from graph200k.codecs import (
    DEFAULT_LIMITS,
    SCALED_DECODE_MARGIN,
    Limits,
    decode_image,
    decode_picture,
    decode_scale,
    encode_image,
    is_blank,
    is_encoded_as,
    parse_json,
    read_map,
    read_photograph,
)
from graph200k.errors import ImageDecodeError, UnsafeInputError
from support.pictures import draw_scene

shapes = st.tuples(st.integers(1, 24), st.integers(1, 24))
maps = npst.arrays(np.uint8, shapes)
photographs = npst.arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(3)))


def saved(picture: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and holds nothing."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def is_one_line(error: BaseException) -> bool:
    return "\n" not in str(error) and 10 < len(str(error)) < 400


@given(maps)
def test_a_map_comes_back_from_png_as_it_was(image: np.ndarray) -> None:
    assert np.array_equal(decode_image(encode_image(image, Codec.PNG), channels=1), image)


@given(photographs)
def test_colours_come_back_from_png_as_they_were(image: np.ndarray) -> None:
    assert np.array_equal(decode_image(encode_image(image, Codec.PNG), channels=3), image)


def test_a_raw_map_comes_back_in_all_its_16_bits_and_nothing_else_does() -> None:
    raw = np.arange(0, 65536, 16, dtype=np.uint16).reshape(64, 64)
    data = encode_image(raw, Codec.PNG)
    assert np.array_equal(decode_image(data, channels=1, bits=16), raw)
    assert np.array_equal(read_map(data, channels=1, bits=16), raw)
    assert is_encoded_as(data, Codec.PNG, 1, bits=16)
    assert not is_encoded_as(data, Codec.PNG, 1)
    for other in (encode_image(raw.astype(np.uint8), Codec.PNG), encode_image(draw_scene(0), Codec.JPEG)):
        with pytest.raises(ImageDecodeError, match="expected a greyscale PNG of 16 bits"):
            decode_image(other, channels=1, bits=16)
        assert not is_encoded_as(other, Codec.PNG, 1, bits=16)
    with pytest.raises(ValueError, match="uint16"):
        encode_image(raw, Codec.JPEG)


def test_a_photograph_comes_back_from_jpeg_nearly_as_it_was() -> None:
    scene = draw_scene(1)
    difference = decode_image(encode_image(scene, Codec.JPEG), channels=3).astype(int) - scene
    assert np.abs(difference).mean() < 2


def test_jpeg_is_stored_at_quality_95_without_chroma_subsampling() -> None:
    picture = Image.open(io.BytesIO(encode_image(draw_scene(1), Codec.JPEG)))
    same = Image.open(io.BytesIO(saved(Image.fromarray(draw_scene(2)), "JPEG", quality=95, subsampling=0)))
    assert picture.quantization == same.quantization
    assert [layer[1:3] for layer in picture.layer] == [(1, 1)] * 3


@pytest.mark.parametrize("codec", list(Codec))
def test_same_pixels_give_same_bytes_whatever_their_memory_layout(codec: Codec) -> None:
    scene = draw_scene(3)
    assert encode_image(np.asfortranarray(scene), codec) == encode_image(scene, codec)
    assert encode_image(scene[::-1], codec) == encode_image(scene[::-1].copy(), codec)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4), np.float32), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 1), np.uint8), np.zeros(4, np.uint8)],
    ids=lambda image: f"{image.dtype} {image.shape}",
)
def test_what_is_no_image_is_not_encoded(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        encode_image(image, Codec.PNG)


def test_channels_are_as_asked_for() -> None:
    grey, colour = encode_image(np.full((8, 9), 7, np.uint8), Codec.PNG), encode_image(draw_scene(0), Codec.JPEG)
    assert decode_image(grey, channels=3).shape == (8, 9, 3)
    assert decode_image(colour, channels=1).shape == (64, 96)


@pytest.mark.parametrize("codec", list(Codec))
@given(part=st.floats(0, 0.9))
@settings(max_examples=40)
def test_a_truncated_member_is_refused(codec: Codec, part: float) -> None:
    data = encode_image(draw_scene(1), codec)
    with pytest.raises(ImageDecodeError) as caught:
        decode_image(data[: int(len(data) * part)], channels=3)
    assert is_one_line(caught.value)


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


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("codec", list(Codec))
def test_what_we_encoded_is_recognised_and_its_bytes_kept(codec: Codec, channels: int) -> None:
    scene = draw_scene(1)
    data = encode_image(scene if channels == 3 else scene[..., 0].copy(), codec)
    assert is_encoded_as(data, codec, channels)
    assert not is_encoded_as(data, codec, 4 - channels)
    assert not is_encoded_as(data, Codec.PNG if codec is Codec.JPEG else Codec.JPEG, channels)


@pytest.mark.parametrize(
    ("codec", "format", "options"),
    [
        (Codec.JPEG, "JPEG", {"quality": 90, "subsampling": 0}),
        (Codec.JPEG, "JPEG", {"quality": 95, "subsampling": 2}),
        (Codec.JPEG, "JPEG", {"quality": 95, "subsampling": 0, "comment": b"mine"}),
        (Codec.JPEG, "JPEG", {"quality": 95, "subsampling": 0, "progressive": True}),
        (Codec.JPEG, "WEBP", {}),
        (Codec.PNG, "PNG", {"dpi": (72, 72)}),
        (Codec.PNG, "BMP", {}),
    ],
    ids=str,
)
def test_what_others_encoded_is_encoded_anew(codec: Codec, format: str, options: dict[str, object]) -> None:
    assert not is_encoded_as(saved(Image.fromarray(draw_scene(1)), format, **options), codec, 3)


@given(maps)
def test_a_map_is_blank_when_its_range_is_below_jpeg_noise(image: np.ndarray) -> None:
    assert is_blank(image) == (int(image.max()) - int(image.min()) < 16)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deeply"),
        (b"[" * 100_000, "nested too deeply"),
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe{}", "not valid JSON"),
        (b'"\xc3\x28"', "not valid JSON"),
        (b"9" * 10_000, "not valid JSON"),
        (b" " * (DEFAULT_LIMITS.max_json_bytes + 1), "the limit is 4,194,304"),
    ],
    ids=["lists", "objects", "open", "empty", "half", "utf-16", "no utf-8", "long number", "large"],
)
def test_bad_json_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(UnsafeInputError, match=reason):
        parse_json(data)


def test_good_json_is_parsed() -> None:
    assert parse_json(b'{"a": [1, "\xc3\xa9"]}') == {"a": [1, "é"]}


def test_reading_leaves_the_warning_filters_as_they_were() -> None:
    before = list(warnings.filters)
    read_photograph(encode_image(draw_scene(1), Codec.PNG))
    assert warnings.filters == before


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize(("width", "height"), [(96, 64), (101, 67), (17, 8), (9, 15)])
def test_a_scaled_decode_has_the_size_rounded_up(scale: int, width: int, height: int) -> None:
    data = encode_image(np.full((height, width, 3), 90, np.uint8), Codec.JPEG)
    image = np.asarray(decode_picture(data, channels=3, scale=scale))
    assert image.shape == (-(-height // scale), -(-width // scale), 3)
    assert (np.abs(image.astype(int) - 90) <= 1).all()


def test_a_scaled_decode_shows_the_same_picture() -> None:
    scene = np.asarray(Image.fromarray(draw_scene(1, 256, 192)).resize((1024, 768)))
    data = encode_image(scene, Codec.JPEG)
    for scale in (2, 4):
        averaged = np.asarray(Image.fromarray(scene).reduce(scale)).astype(int)
        assert np.abs(np.asarray(decode_picture(data, channels=3, scale=scale)) - averaged).mean() < 1.5


def test_a_scaled_grey_decode_is_grey_and_a_png_is_decoded_in_full() -> None:
    grey = encode_image(np.full((64, 96), 90, np.uint8), Codec.JPEG)
    picture = decode_picture(grey, channels=1, scale=2)
    assert (picture.mode, picture.size) == ("L", (48, 32))
    whole = decode_picture(encode_image(draw_scene(1), Codec.PNG), channels=3, scale=2)
    assert np.array_equal(np.asarray(whole), draw_scene(1))


@given(part=st.floats(0, 0.9))
@settings(max_examples=20)
def test_a_truncated_member_is_refused_when_scaled(part: float) -> None:
    data = encode_image(draw_scene(1), Codec.JPEG)
    with pytest.raises(ImageDecodeError):
        decode_picture(data[: int(len(data) * part)], channels=3, scale=2)


@given(
    size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    wanted=st.tuples(st.floats(0.1, 2000), st.floats(0.1, 2000)),
)
def test_a_scaled_decode_is_never_smaller_than_wanted_and_its_margin(
    size: tuple[int, int], wanted: tuple[float, float]
) -> None:
    scale = decode_scale(size, wanted)
    assert scale in (1, 2, 4, 8)
    if scale > 1:
        assert all(
            have / scale >= max(1, want) * SCALED_DECODE_MARGIN * 0.999 for have, want in zip(size, wanted, strict=True)
        )
    if scale < 8:
        assert any(
            have / scale / 2 < max(1, want) * SCALED_DECODE_MARGIN * 1.001
            for have, want in zip(size, wanted, strict=True)
        )
