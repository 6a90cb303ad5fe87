from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from annotators.degradations import degradations, replay
from annotators.degradations.compression import LEVELS, jpeg, jpeg2000


@pytest.mark.parametrize("quality", [10, 25, 40])
def test_jpeg_is_pillows(quality, photo, psnr) -> None:
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=quality)
    assert psnr(jpeg(photo, quality=quality), np.asarray(Image.open(buffer))) > 40


def test_jpeg_keeps_red_red(photo_of) -> None:
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 200
    assert np.abs(jpeg(red, quality=10).astype(int) - red).max() < 12


def test_lower_jpeg_quality_loses_more(sized_photo, psnr) -> None:
    loss = [psnr(sized_photo, jpeg(sized_photo, quality=quality)) for quality in (40, 25, 18, 12, 10)]
    assert loss == sorted(loss, reverse=True)
    assert loss[0] > loss[-1] + 1


def test_a_jpeg_compressed_again_takes_the_bytes_its_quality_takes(photo_of) -> None:
    image = photo_of(256, 256)

    def size_of(picture: np.ndarray) -> int:
        return len(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 90])[1])

    sizes = [size_of(jpeg(image, quality=quality)) for quality in (40, 25, 12)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] < 0.9 * size_of(image)


def test_jpeg_blocks_are_8_px_wide(photo_of) -> None:
    steps = np.abs(np.diff(jpeg(photo_of(256, 256), quality=10).astype(float), axis=1)).mean(axis=(0, 2))
    assert steps[7::8].mean() > 1.5 * np.delete(steps, np.s_[7::8]).mean()


@pytest.mark.parametrize("psnr_db", [29.0, 27.5, 26.0])
def test_jpeg2000_has_the_psnr_asked_for(psnr_db, photo_of, psnr) -> None:
    image = photo_of(200, 300)
    assert psnr(image, jpeg2000(image, psnr_db=psnr_db)) == pytest.approx(psnr_db, abs=1.0)


def test_compression_draws_both_codecs_at_three_severities() -> None:
    rng = np.random.default_rng(0)
    drawn = [degradations["compression"]().draw(rng) for _ in range(200)]
    assert {params["quality"] for params in drawn if params["kind"] == "jpeg"} == {25, 18, 12}
    assert {params["psnr_db"] for params in drawn if params["kind"] == "jpeg2000"} == {29.0, 27.5, 26.0}
    assert set(LEVELS) == {"jpeg", "jpeg2000"}


def test_compression_by_jpeg_is_jpeg(photo) -> None:
    params = {"kind": "jpeg", "severity": 1, "quality": 25}
    assert np.array_equal(replay(photo, "compression", params), replay(photo, "jpeg", {"quality": 25}))


def test_jpeg_draws_10_to_40_both_included() -> None:
    rng = np.random.default_rng(0)
    assert {degradations["jpeg"]().draw(rng)["quality"] for _ in range(1000)} == set(range(10, 41))
