"""Tiny models: one for each of the preset `paper`, made once, the same on every machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from annotators.base import ANNOTATORS
from annotators.models import MODELS, local_model
from annotators.tiny.base import TINY_MODELS, make_tiny_model, tiny_model


def test_there_is_one_for_every_model_of_the_table() -> None:
    assert set(TINY_MODELS) == set(MODELS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.heavy) if name == "normal_bae" else name for name in TINY_MODELS]
)
def test_made_again_it_has_the_same_bytes_whatever_was_drawn_before(name: str, tmp_path: Path, tiny: Path) -> None:
    torch.rand(7)
    make_tiny_model(name, tmp_path / name)
    assert local_model(name, tmp_path / name).digest == tiny_model(name, tiny).digest


def test_it_is_made_once_and_leaves_torch_and_its_folder_as_they_were(tmp_path: Path) -> None:
    drawn = torch.random.get_rng_state()
    first = tiny_model("mlsd", tmp_path)
    assert first.tiny
    assert torch.equal(torch.random.get_rng_state(), drawn)
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert tiny_model("mlsd", tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == made
    assert [path.name for path in first.folder.parent.iterdir()] == ["mlsd"]


def test_of_two_who_make_it_at_the_same_time_the_first_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "model"

    def save(where: Path) -> Path:
        for made, text in ((folder, "first"), (where, "second")):
            made.mkdir()
            (made / "weights").write_text(text)
        return where

    monkeypatch.setitem(TINY_MODELS._entries, "slow", save)
    make_tiny_model("slow", folder)
    assert (folder / "weights").read_text() == "first"
    assert list(tmp_path.iterdir()) == [folder]


def test_what_cannot_be_written_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TINY_MODELS._entries, "lost", lambda where: where / "nothing")
    with pytest.raises(FileNotFoundError):
        make_tiny_model("lost", tmp_path / "model")


def test_a_worker_on_another_machine_makes_its_own(tmp_path: Path) -> None:
    annotator = ANNOTATORS["mlsd_network"](local=local_model("mlsd", _made(tmp_path / "here"), tiny=True))
    (tmp_path / "here").rename(tmp_path / "elsewhere")
    assert local_model("mlsd", annotator.folder()).digest == annotator.local.digest


def test_provenance_says_that_it_is_tiny(tmp_path: Path) -> None:
    annotator = ANNOTATORS["mlsd_network"](local=tiny_model("mlsd", tmp_path))
    assert annotator.model == "tiny:mlsd"
    assert annotator.fingerprint != ANNOTATORS["mlsd_network"]().fingerprint


def _made(folder: Path) -> Path:
    make_tiny_model("mlsd", folder)
    return folder
