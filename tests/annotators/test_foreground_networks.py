from pathlib import Path

import numpy as np
import pytest

from annotators.base import ANNOTATORS
from annotators.models import local_model
from annotators.tiny.rembg import save_birefnet, save_rmbg
from graph200k.errors import MissingWeightsError

RED_LEFT = np.zeros((60, 90, 3), np.uint8)
RED_LEFT[:, :45, 0], RED_LEFT[:, 45:, 2] = 255, 255


def make_matte(name: str, folder: Path) -> np.ndarray:
    cls = ANNOTATORS[name]
    (made,) = cls(local=local_model(cls.pretrained, folder)).load(folder)({"target": RED_LEFT}, None)
    return made.image


def test_what_the_network_sees_as_subject_is_white(tmp_path: Path) -> None:
    reddest = make_matte("foreground_rmbg", save_rmbg(tmp_path / "rmbg"))
    bluest = make_matte("foreground_birefnet", save_birefnet(tmp_path / "birefnet"))
    assert reddest[:, :40].min() == 255 == bluest[:, 50:].min()
    assert reddest[:, 50:].max() == 0 == bluest[:, :40].max()


def test_a_file_of_rembgs_own_cache_will_do_and_nothing_is_downloaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pooch.retrieve", lambda *_, **__: pytest.fail("rembg tried to download"))
    (tmp_path / "bria-rmbg").mkdir()
    (save_rmbg(tmp_path / "made") / "onnx" / "model.onnx").rename(tmp_path / "bria-rmbg" / "bria-rmbg.onnx")
    assert make_matte("foreground_rmbg", tmp_path / "bria-rmbg").shape == (60, 90)


def test_of_two_files_it_takes_neither(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.onnx").write_bytes(b"x")
    with pytest.raises(MissingWeightsError, match="2 ONNX files"):
        make_matte("foreground_rmbg", tmp_path)


def test_without_a_copy_the_page_of_the_licence_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingWeightsError, match=r"CC-BY-NC-4.0.*huggingface.co/briaai/RMBG-2.0.*--model rmbg=PATH"):
        ANNOTATORS["foreground_rmbg"]().load(tmp_path)
