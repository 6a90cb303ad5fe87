"""Images are read right or refused in one line; what is stored is always the same for the same pixels."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from graph200k.catalogue import Codec
from graph200k.codecs import (
    DEFAULT_LIMITS,
    SCALED_DECODE_MARGIN,
    decode_image,
    decode_picture,
    decode_scale,
    encode_image,
    is_blank,
    is_encoded_as,
    parse_json,
)
from graph200k.errors import ImageDecodeError, UnsafeInputError
from graph200k.photographs import read_map
from support.pictures import draw_scene, saved

shapes = st.tuples(st.integers(1, 24), st.integers(1, 24))
maps = npst.arrays(np.uint8, shapes)
photographs = npst.arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(3)))


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
    assert "\n" not in str(caught.value)


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
