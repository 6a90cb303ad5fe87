"""The style bank: what is in it, what is drawn from it, and what is never drawn."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from annotators.procedural_styles import procedural_styles
from annotators.style_bank import StyleBank, is_same_picture, make_bank, read_bank
from graph200k.errors import PlanError, RejectedError
from graph200k.shards import ShardWriter

RECORD = np.full((40, 60, 3), 90, np.uint8)


def clouds(seed: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)


def encode(image: np.ndarray, kind: str = "PNG", **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return buffer.getvalue()


def save_bank(folder: Path, count: int = 4) -> Path:
    (folder / "inner").mkdir(parents=True)
    for number in range(count):
        (folder / "inner" / f"{number}.png").write_bytes(encode(clouds(number)))
    return folder


def names(bank: StyleBank) -> list[str]:
    return sorted(picture.name for picture in bank.pictures)


def test_pictures_are_read_from_folders_and_tars_and_each_counts_once(tmp_path: Path) -> None:
    save_bank(tmp_path / "bank", 2)
    with (tmp_path / "bank" / "more.tar").open("wb") as file, ShardWriter(file) as shard:
        shard.add("a.png", encode(clouds(0)))  # as inner/0.png
        shard.add("b.jpg", encode(clouds(7), "JPEG"))
        shard.add("b.json", b"{}")
    (tmp_path / "bank" / "LICENCE.txt").write_text("CC-BY-4.0\nmore words\n")
    bank = read_bank(str(tmp_path / "bank"))
    assert names(bank) == ["inner/0.png", "inner/1.png", "more.tar:b.jpg"]
    assert (bank.duplicates, bank.licence) == (1, "CC-BY-4.0")
    found = {bank.pictures[index].name: bank.read(index) for index in range(3)}
    assert (found["inner/1.png"] == clouds(1)).all()
    assert np.abs(found["more.tar:b.jpg"].astype(int) - clouds(7)).mean() < 8


def test_a_bank_is_known_by_its_pictures_and_not_by_names_or_place(tmp_path: Path) -> None:
    save_bank(tmp_path / "bank")
    here = read_bank(str(tmp_path / "bank"))
    (tmp_path / "bank" / "inner" / "0.png").rename(tmp_path / "bank" / "zzz.png")
    (tmp_path / "bank").rename(tmp_path / "moved")
    moved = read_bank(str(tmp_path / "moved"))
    assert moved.digest == here.digest
    (tmp_path / "moved" / "zzz.png").unlink()
    assert read_bank(str(tmp_path / "moved")).digest != here.digest


def test_each_reference_of_a_record_is_another_one_as_long_as_there_are_others() -> None:
    bank = make_bank()
    count = len(bank.pictures)
    drawn = [index for index, _ in bank.draw(RECORD, count + 2, np.random.default_rng(0))]
    assert sorted(drawn[:count]) == list(range(count))
    assert drawn[count:] == drawn[:2]
    assert drawn != [index for index, _ in bank.draw(RECORD, count + 2, np.random.default_rng(1))]


def test_a_bank_of_one_picture_gives_it_to_all_variants(tmp_path: Path) -> None:
    bank = read_bank(str(save_bank(tmp_path / "bank", 1)))
    assert [index for index, _ in bank.draw(RECORD, 3, np.random.default_rng(0))] == [0, 0, 0]


def test_a_record_is_never_its_own_style_however_it_was_saved(tmp_path: Path) -> None:
    save_bank(tmp_path / "bank", 2)
    record = cv2.resize(clouds(0), (130, 100), interpolation=cv2.INTER_CUBIC)
    bank = read_bank(str(tmp_path / "bank"))
    for seed in range(5):
        ((index, _),) = bank.draw(record, 1, np.random.default_rng(seed))
        assert bank.pictures[index].name == "inner/1.png"
    (tmp_path / "bank" / "inner" / "1.png").unlink()
    with pytest.raises(RejectedError, match="none of the 1 pictures"):
        read_bank(str(tmp_path / "bank")).draw(record, 1, np.random.default_rng(0))


def test_a_damaged_picture_is_passed_over(tmp_path: Path) -> None:
    save_bank(tmp_path / "bank", 2)
    (tmp_path / "bank" / "inner" / "0.png").write_bytes(encode(clouds(0))[:200])
    bank = read_bank(str(tmp_path / "bank"))
    for seed in range(4):
        ((index, _),) = bank.draw(RECORD, 1, np.random.default_rng(seed))
        assert bank.pictures[index].name == "inner/1.png"


def test_large_pictures_are_reduced(tmp_path: Path) -> None:
    (tmp_path / "bank").mkdir()
    (tmp_path / "bank" / "a.png").write_bytes(encode(clouds(0, (2100, 700))))
    assert read_bank(str(tmp_path / "bank")).read(0).shape == (341, 1024, 3)


@pytest.mark.parametrize("make", [True, False], ids=["empty", "missing"])
def test_a_folder_without_pictures_is_no_bank(tmp_path: Path, make: bool) -> None:
    if make:
        (tmp_path / "bank").mkdir()
        (tmp_path / "bank" / "a.txt").write_text("no picture")
    with pytest.raises(PlanError, match="no picture found"):
        read_bank(str(tmp_path / "bank"))


def test_provenance_names_picture_bank_size_and_licence() -> None:
    bank = make_bank()
    found = bank.provenance(0)
    assert found["name"] == "waves" and len(found["sha256"]) == 64
    assert found["bank"] == {"digest": bank.digest, "pictures": 6, "duplicates": 0, "licence": bank.licence}


def test_patterns_differ_from_each_other_and_are_always_the_same() -> None:
    styles = [image for _, image in procedural_styles()]
    assert not any(is_same_picture(a, b) for position, a in enumerate(styles) for b in styles[:position])
    assert make_bank().digest == "635fe1b319279187"
